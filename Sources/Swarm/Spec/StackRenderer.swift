internal import Compose
internal import Crypto
internal import JSON

/// Turns a project into what the Engine is told, name for name and field for field as `docker stack deploy` does it.
struct StackRenderer {
    let stack: String
    let project: Project
    /// What stands before the names of networks, volumes, configs and secrets; nil for the stack's own name.
    var namePrefix: String?

    func render() -> DesiredStack {
        var desired = DesiredStack(name: stack)
        for service in sorted(project.services) { desired.services.append(render(service)) }
        desired.networks = networks()
        desired.files = files(project.configs, .config) + files(project.secrets, .secret)
        desired.externals = externals()
        return desired
    }

    private func serviceName(_ name: String) -> String { "\(stack)_\(name)" }
    private func scoped(_ name: String) -> String { "\(namePrefix ?? stack)_\(name)" }

    private func labelled(_ labels: [String: String]) -> [String: String] {
        labels.merging([StackLabel.namespace: stack]) { _, ours in ours }
    }

    /// Dependencies before their dependants, otherwise in the order of the file.
    private func sorted(_ services: [Service]) -> [Service] {
        var placed: Set<String> = []
        var result: [Service] = []
        let known = Dictionary(services.map { ($0.name, $0) }) { first, _ in first }
        func place(_ service: Service) {
            guard placed.insert(service.name).inserted else { return }
            for name in service.dependsOn { if let other = known[name] { place(other) } }
            result.append(service)
        }
        for service in services { place(service) }
        return result
    }

    // MARK: Networks, configs, secrets

    private var usedNetworks: Set<String> {
        var used: Set<String> = []
        for service in project.services {
            if service.networks.isEmpty { used.insert("default") }
            used.formUnion(service.networks.map(\.network))
        }
        return used
    }

    private func networkName(_ key: String) -> String { project.networks[key]?.name ?? scoped(key) }

    private func networks() -> [DesiredNetwork] {
        usedNetworks.sorted().compactMap { key in
            let network = project.networks[key]
            guard network?.isExternal != true else { return nil }
            var body: JSON.Members = [
                "Labels": JSON(labelled(network?.labels ?? [:])),
                "Driver": .string(network.map { $0.driver.isEmpty ? "overlay" : $0.driver } ?? "overlay"),
                "CheckDuplicate": true,
            ]
            if let network {
                if !network.driverOptions.isEmpty { body["Options"] = JSON(network.driverOptions) }
                if network.isInternal { body["Internal"] = true }
                if network.isAttachable { body["Attachable"] = true }
                if !network.ipamDriver.isEmpty || !network.subnets.isEmpty {
                    body["IPAM"] = [
                        "Driver": .string(network.ipamDriver),
                        "Config": .array(network.subnets.map { ["Subnet": .string($0)] }),
                    ]
                }
            }
            return DesiredNetwork(name: networkName(key), body: .object(body))
        }
    }

    private func files(_ objects: [String: FileObject], _ kind: DesiredFile.Kind) -> [DesiredFile] {
        objects.sorted { $0.key < $1.key }.compactMap { key, object in
            let isUsed = project.services.contains { service in
                (kind == .config ? service.configs : service.secrets).contains { $0.source == key }
                    || kind == .config && service.credentialSpec?.config == key
            }
            guard !object.isExternal, isUsed || !object.content.isEmpty || !object.driver.isEmpty else { return nil }
            return DesiredFile(
                kind: kind,
                name: object.name ?? scoped(key),
                labels: labelled(object.labels),
                content: object.content,
                hash: sha256(object.content),
                driver: object.driver.isEmpty
                    ? nil : .compact(["Name": .string(object.driver), "Options": JSON(object.driverOptions)]),
                templating: object.templateDriver.isEmpty ? nil : ["Name": .string(object.templateDriver)]
            )
        }
    }

    private func externals() -> [External] {
        var result: [External] = []
        for key in usedNetworks.sorted() {
            if let network = project.networks[key], network.isExternal {
                result.append(External(kind: .network, name: network.name ?? key, place: network.place))
            }
        }
        for service in project.services {
            for (kind, references, objects) in [
                (External.Kind.config, service.configs, project.configs), (.secret, service.secrets, project.secrets),
            ] {
                for reference in references {
                    guard let object = objects[reference.source], object.isExternal else { continue }
                    result.append(External(kind: kind, name: object.name ?? reference.source, place: object.place))
                }
            }
            for mount in service.mounts where mount.type == "volume" {
                guard let volume = project.volumes[mount.source], volume.isExternal else { continue }
                result.append(External(kind: .volume, name: volume.name ?? mount.source, place: volume.place))
            }
        }
        var seen: Set<External> = []
        return result.filter { seen.insert($0).inserted }
    }

    // MARK: Services

    private func render(_ service: Service) -> DesiredService {
        let deploy = service.deploy
        var labels = labelled(deploy.labels)
        labels[StackLabel.image] = service.image
        var task: JSON = .compact([
            "ContainerSpec": container(service),
            "LogDriver": service.logging.map { .compact(["Name": .string($0.driver), "Options": JSON($0.options)]) },
            "Placement": .compact([
                "Constraints": JSON(deploy.constraints),
                "Preferences": .array(deploy.preferences.map { ["Spread": ["SpreadDescriptor": .string($0)]] }),
                "MaxReplicas": .int(Int64(deploy.maxReplicasPerNode)),
            ]),
            "Networks": .array(attachments(service)),
        ])
        // Docker's client sends these even when they say nothing, and the Engine takes their absence for a change.
        task["Resources"] = given([
            "Limits": deploy.limits.map { resources($0) },
            "Reservations": deploy.reservations.map { resources($0) },
        ])
        task["RestartPolicy"] = restartPolicy(service)
        if task["Placement"] == nil { task["Placement"] = [:] }
        var spec: JSON.Members = [
            "Name": .string(serviceName(service.name)),
            "Labels": JSON(labels),
            "TaskTemplate": task,
            "Mode": mode(deploy),
            "EndpointSpec": .compact(["Mode": .string(deploy.endpointMode), "Ports": .array(ports(service.ports))]),
        ]
        if let update = deploy.updateConfig { spec["UpdateConfig"] = updateConfig(update) }
        if let rollback = deploy.rollbackConfig { spec["RollbackConfig"] = updateConfig(rollback) }
        return DesiredService(
            name: serviceName(service.name),
            key: service.name,
            spec: .object(spec),
            place: service.place,
            dependsOn: service.dependsOn.map(serviceName)
        )
    }

    private func container(_ service: Service) -> JSON {
        let capabilities = effectiveCapabilities(add: service.capAdd, drop: service.capDrop)
        var container = JSON.compact([
            "Image": .string(ImageReference(service.image).tagged),
            "Labels": JSON(labelled(service.labels)),
            "Command": JSON(service.entrypoint),
            "Args": JSON(service.command),
            "Hostname": .string(service.hostname),
            "Hosts": JSON(service.extraHosts.map { "\($0.address) \($0.name)" }),
            "Env": JSON(service.environment.map { name, value in value.map { "\(name)=\($0)" } ?? name }.sorted()),
            "Dir": .string(service.workingDirectory),
            "User": .string(service.user),
            "Mounts": .array(service.mounts.map(mount)),
            "StopSignal": .string(service.stopSignal),
            "TTY": .bool(service.terminal),
            "OpenStdin": .bool(service.stdinOpen),
            "ReadOnly": .bool(service.readOnly),
            "Isolation": .string(service.isolation),
            "Sysctls": JSON(service.sysctls),
            "CapabilityAdd": JSON(capabilities.add),
            "CapabilityDrop": JSON(capabilities.drop),
            "Ulimits": .array(
                service.ulimits.sorted { $0.key < $1.key }.map { name, limit in
                    ["Name": .string(name), "Soft": .int(Int64(limit.soft)), "Hard": .int(Int64(limit.hard))]
                }
            ),
            "OomScoreAdj": .int(Int64(service.oomScoreAdjust)),
            "Healthcheck": service.healthcheck.map(healthcheck),
            "Configs": .array(references(service.configs, project.configs, .config)),
            "Secrets": .array(references(service.secrets, project.secrets, .secret)),
            "DNSConfig": .compact([
                "Nameservers": JSON(service.dns), "Search": JSON(service.dnsSearch),
                "Options": JSON(service.dnsOptions),
            ]),
            "Groups": JSON(service.groups),
            "Privileges": service.credentialSpec.map { credentialSpec($0) },
        ])
        // An explicit 'init: false' says something, so it is not left out as empty; neither is no time to stop in.
        if let runsInit = service.runsInit { container["Init"] = .bool(runsInit) }
        if let period = service.stopGracePeriod { container["StopGracePeriod"] = nanoseconds(period) }
        // Docker's client always sends these, empty as they may be, and the Engine reports what it was sent.
        container["Privileges"] = container["Privileges"] ?? ["CredentialSpec": nil, "SELinuxContext": nil]
        return container
    }

    private func credentialSpec(_ spec: CredentialSpec) -> JSON {
        ["CredentialSpec": .compact(["File": .string(spec.file), "Registry": .string(spec.registry)])]
    }

    private func healthcheck(_ check: Healthcheck) -> JSON {
        if check.isDisabled { return ["Test": ["NONE"]] }
        return .compact([
            "Test": JSON(check.test),
            "Interval": check.interval.map(nanoseconds),
            "Timeout": check.timeout.map(nanoseconds),
            "StartPeriod": check.startPeriod.map(nanoseconds),
            "StartInterval": check.startInterval.map(nanoseconds),
            "Retries": .int(Int64(check.retries)),
        ])
    }

    private func references(
        _ uses: [FileReference],
        _ objects: [String: FileObject],
        _ kind: DesiredFile.Kind
    ) -> [JSON] {
        let label = kind == .config ? "Config" : "Secret"
        return uses.map { use in
            let name = objects[use.source]?.name ?? scoped(use.source)
            return (
                name,
                [
                    "\(label)Name": .string(name),
                    "File": [
                        "Name": .string(use.target), "UID": .string(use.uid), "GID": .string(use.gid),
                        "Mode": .int(Int64(use.mode)),
                    ],
                ] as JSON
            )
        }
        .sorted { $0.0 < $1.0 }
        .map { $0.1 }
    }

    private func attachments(_ service: Service) -> [JSON] {
        let networks = service.networks.isEmpty ? [NetworkAttachment(network: "default")] : service.networks
        return networks.map { attachment in
            let target = networkName(attachment.network)
            // Networks that the Engine brings along know no aliases.
            let takesAliases = !["bridge", "host", "none", "default"].contains(target)
            let value: JSON = .compact([
                "Target": .string(target),
                "Aliases": JSON(attachment.aliases + (takesAliases ? [service.name] : [])),
                "DriverOpts": JSON(attachment.driverOptions),
            ])
            return (target, value)
        }
        .sorted { $0.0 < $1.0 }
        .map { $0.1 }
    }

    private func mount(_ mount: Mount) -> JSON {
        var result: JSON.Members = [
            "Type": .string(mount.type), "Source": .string(mount.source), "Target": .string(mount.target),
            "ReadOnly": .bool(mount.readOnly),
        ]
        // Options are sent even when they are empty.
        var kept: JSON.Members = [:]
        switch mount.type {
        case "volume" where !mount.source.isEmpty:
            let volume = project.volumes[mount.source]
            result["Source"] = .string(volume?.name ?? scoped(mount.source))
            var options: JSON.Members = ["NoCopy": .bool(mount.noCopy)]
            if let volume, !volume.isExternal {
                options["Labels"] = JSON(labelled(volume.labels))
                if !volume.driver.isEmpty || volume.driverOptions != nil {
                    options["DriverConfig"] = .compact([
                        "Name": .string(volume.driver), "Options": JSON(volume.driverOptions ?? [:]),
                    ])
                }
            }
            kept["VolumeOptions"] = .object(options.compacted)
        case "bind", "npipe":
            if mount.hasBindOptions {
                kept["BindOptions"] = .compact(["Propagation": mount.propagation.map { .string($0) }])
            }
        case "tmpfs":
            if mount.hasTmpfsOptions {
                kept["TmpfsOptions"] = .compact(["SizeBytes": mount.tmpfsSize.map { .int(Int64($0)) }])
            }
        case "cluster":
            if !mount.source.hasPrefix("group:") {
                result["Source"] = .string(project.volumes[mount.source]?.name ?? scoped(mount.source))
            }
            kept["ClusterOptions"] = [:]
        default: break
        }
        return .object(result.compacted.merging(kept))
    }

    private func ports(_ ports: [Port]) -> [JSON] {
        ports.sorted { ($0.published, $0.target, $0.transport) < ($1.published, $1.target, $1.transport) }.map { port in
            .compact([
                "Protocol": .string(port.transport),
                "TargetPort": .int(Int64(port.target)),
                "PublishedPort": .int(Int64(port.published)),
                "PublishMode": .string(port.mode),
            ])
        }
    }

    private func resources(_ resources: Resources) -> JSON {
        .compact([
            "NanoCPUs": .int(Int64(resources.nanoCPUs)),
            "MemoryBytes": .int(Int64(resources.memory)),
            "Pids": .int(Int64(resources.pids)),
            "GenericResources": .array(
                resources.generic.map {
                    ["DiscreteResourceSpec": ["Kind": .string($0.kind), "Value": .int(Int64($0.value))]]
                }
            ),
        ])
    }

    private func restartPolicy(_ service: Service) -> JSON? {
        if let policy = service.deploy.restartPolicy {
            // A zero that is given is not the Engine's default.
            return given([
                "Condition": policy.condition.isEmpty ? nil : .string(policy.condition),
                "Delay": policy.delay.map(nanoseconds),
                "MaxAttempts": policy.maxAttempts.map { .int(Int64($0)) },
                "Window": policy.window.map(nanoseconds),
            ])
        }
        let parts = service.restart.split(separator: ":")
        guard let name = parts.first, name != "no" else { return nil }
        let attempts = parts.count > 1 ? Int64(parts[1]) ?? 0 : 0
        return .compact([
            "Condition": .string(name == "on-failure" ? "on-failure" : "any"), "MaxAttempts": .int(attempts),
        ])
    }

    private func mode(_ deploy: Deploy) -> JSON {
        let count = deploy.replicas.map { JSON.int(Int64($0)) }
        switch deploy.mode {
        case "global": return ["Global": [:]]
        case "global-job": return ["GlobalJob": [:]]
        case "replicated-job": return ["ReplicatedJob": given(["MaxConcurrent": count, "TotalCompletions": count])]
        default: return ["Replicated": given(["Replicas": count])]
        }
    }

    private func updateConfig(_ config: UpdateConfig) -> JSON {
        let members: JSON.Members = [
            "Parallelism": .int(Int64(config.parallelism)),
            "Delay": config.delay.map(nanoseconds) ?? 0,
            "FailureAction": .string(config.failureAction),
            "Monitor": config.monitor.map(nanoseconds) ?? 0,
            "MaxFailureRatio": .double(config.maxFailureRatio),
            "Order": .string(config.order),
        ]
        return .object(members.filter { !$0.value.isEmpty || ["Parallelism", "MaxFailureRatio"].contains($0.key) })
    }

    /// An object of what is there, zeros and empty objects too.
    private func given(_ members: KeyValuePairs<String, JSON?>) -> JSON {
        .object(JSON.Members(members.lazy.compactMap { key, value in value.map { (key, $0) } }))
    }

    private func nanoseconds(_ duration: Duration) -> JSON {
        let parts = duration.components
        return .int(parts.seconds * 1_000_000_000 + parts.attoseconds / 1_000_000_000)
    }
}

/// Capabilities as the Engine names them: upper case, with `CAP_`, sorted; one that is added is not dropped as well.
func effectiveCapabilities(add: [String], drop: [String]) -> (add: [String], drop: [String]) {
    func named(_ names: [String]) -> Set<String> {
        let upper = Set(
            names.map { name in
                let name = name.uppercased()
                return name == "ALL" || name.hasPrefix("CAP_") ? name : "CAP_" + name
            }
        )
        return upper.contains("ALL") ? ["ALL"] : upper
    }
    let added = named(add)
    return (added.sorted(), named(drop).subtracting(added).sorted())
}
