internal import YAML

/// Reads the `deploy` section of a service.
struct DeployDecoder {
    private let service: Fields

    init(service: Fields) { self.service = service }

    func decode() -> Deploy {
        var result = Deploy()
        guard let fields = service.fields("deploy", context: "deploy of \(service.context)") else { return result }
        let modes = ["replicated", "global", "replicated-job", "global-job"]
        result.mode = fields.choice("mode", modes) ?? "replicated"
        result.replicas = fields.integer("replicas", in: 0...100_000)
        if result.mode.hasPrefix("global"), result.replicas != nil {
            fields.error(
                at: fields.keyPlace("replicas"),
                "'replicas' cannot be given in mode '\(result.mode)', which runs one task on each node",
                cure: "remove 'replicas' or change 'mode'"
            )
        }
        result.labels = assignments(fields, "labels").compactMapValues { $0 ?? "" }
        result.endpointMode = fields.string("endpoint_mode")?.lowercased() ?? ""
        if !["", "vip", "dnsrr"].contains(result.endpointMode) {
            fields.error(
                at: fields.node("endpoint_mode")?.place,
                "'endpoint_mode' is '\(result.endpointMode)'",
                cure: "expected 'vip' or 'dnsrr'"
            )
        }
        result.updateConfig = update(fields, "update_config", actions: ["pause", "continue", "rollback"])
        result.rollbackConfig = update(fields, "rollback_config", actions: ["pause", "continue"])
        if let section = fields.fields("resources") {
            result.limits = resources(section, "limits")
            result.reservations = resources(section, "reservations")
            section.finish()
        }
        if let policy = fields.fields("restart_policy") {
            result.restartPolicy = RestartPolicy(
                condition: policy.choice("condition", ["none", "on-failure", "any"]) ?? "",
                delay: duration(policy, "delay"),
                maxAttempts: policy.integer("max_attempts", in: 0...Int.max),
                window: duration(policy, "window")
            )
            policy.finish()
        }
        if let placement = fields.fields("placement") {
            result.constraints = placement.strings("constraints") ?? []
            result.preferences = (placement.list("preferences") ?? []).compactMap { item in
                let preference = Fields(item, context: "placement preference", into: placement.diagnostics)
                let spread = preference.string("spread")
                preference.finish()
                return spread
            }
            result.maxReplicasPerNode = placement.integer("max_replicas_per_node", in: 0...Int.max) ?? 0
            placement.finish()
        }
        fields.finish()
        return result
    }

    private func update(_ deploy: Fields, _ key: String, actions: [String]) -> UpdateConfig? {
        guard let fields = deploy.fields(key) else { return nil }
        var config = UpdateConfig()
        config.parallelism = fields.integer("parallelism", in: 0...Int.max) ?? 1
        config.delay = duration(fields, "delay")
        config.failureAction = fields.choice("failure_action", actions) ?? ""
        config.monitor = duration(fields, "monitor")
        config.maxFailureRatio = fields.number("max_failure_ratio") ?? 0
        config.order = fields.choice("order", ["stop-first", "start-first"]) ?? ""
        fields.finish()
        return config
    }

    private func resources(_ section: Fields, _ key: String) -> Resources? {
        guard let fields = section.fields(key) else { return nil }
        var resources = Resources()
        if let node = fields.node("cpus") {
            if let cpus = node.scalar.flatMap({ parseCPUs($0.text) }) {
                resources.nanoCPUs = cpus
            } else {
                fields.wrongType(node, "cpus", expected: "a number of processors such as '0.5'")
            }
        }
        resources.memory = size(fields, "memory") ?? 0
        if key == "limits" { resources.pids = fields.integer("pids", in: 0...Int.max) ?? 0 }
        for item in fields.list("generic_resources") ?? [] {
            let resource = Fields(item, context: "generic resource", into: fields.diagnostics)
            if let discrete = resource.fields("discrete_resource_spec") {
                let kind = discrete.requiredString("kind")
                resources.generic.append((kind, discrete.integer("value", in: 0...Int.max) ?? 0))
                discrete.finish()
            }
            resource.finish()
        }
        if fields.has("devices") {
            ignoredInSwarm(fields, "devices", cure: "use 'generic_resources' and node labels")
        }
        fields.finish()
        return resources
    }
}
