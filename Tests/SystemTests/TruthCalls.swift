import HTTP
import JSON
import TestSupport

/// One call, in words that fit both Engines: names stand for identifiers, ages for versions.
struct TruthCall: CustomStringConvertible {
    enum Version { case present, stale, future, missing }

    var method: String
    /// `/services/NAME`, where NAME may be replaced by the object's identifier.
    var kind: String
    var name: String?
    var verb: String?
    var byIdentifier = false
    var version: Version?
    var filters: JSON?
    var body: JSON?
    var withStatus = false

    var description: String {
        "\(method) \(kind) \(name ?? "") \(verb ?? "") \(version.map { "\($0)" } ?? "") id=\(byIdentifier) "
            + "\(filters?.text() ?? "") \(body?.text() ?? "")"
    }
}

/// An answer without what differs from Engine to Engine.
struct TruthAnswer: Equatable, CustomStringConvertible {
    var status: Int
    var body: JSON
    var description: String { "\(status) \(body.text())" }
}

/// Plays calls to one Engine and remembers its identifiers and versions.
struct Player {
    let stage: Stage
    let prefix: String
    private var identifiers: [String: String] = [:]
    private var names: [String: String] = [:]

    init(stage: Stage, prefix: String) {
        self.stage = stage
        self.prefix = prefix
    }

    mutating func play(_ call: TruthCall) async throws -> TruthAnswer {
        let answer = try await attempt(call)
        // The Engine's own work on a service moves its version at any time.
        guard call.version == .present, answer.body.text().contains("out of sequence") else { return answer }
        return try await attempt(call)
    }

    private mutating func attempt(_ call: TruthCall) async throws -> TruthAnswer {
        var path = "/\(call.kind)"
        if let name = call.name {
            let identifier = identifiers["\(call.kind) \(name)"] ?? name
            path += "/" + (call.byIdentifier ? identifier : name)
        }
        if let verb = call.verb { path += "/\(verb)" }
        var parameters: [String] = []
        if let version = call.version, version != .missing {
            let present = try await presentVersion(call)
            parameters.append("version=\(version == .present ? present : version == .stale ? 1 : present + 100_000)")
        }
        if call.withStatus { parameters.append("status=true") }
        if !parameters.isEmpty { path += "?" + parameters.joined(separator: "&") }
        var body = call.body
        if let body_ = body { body = withIdentifiers(body_) }
        let answer = try await stage.call(call.method, path, filters: call.filters, body: body)
        if answer.status == 201, let name = call.body?["Name"]?.string,
            let id = (answer.body["ID"] ?? answer.body["Id"])?.string
        {
            identifiers["\(call.kind) \(name)"] = id
            names[id] = "<\(call.kind) \(name)>"
            if call.kind == "networks" { try await allocated(id) }
        }
        return TruthAnswer(status: answer.status, body: normal(answer.body))
    }

    /// Waits until the Engine has worked out what a new network is made of; before, it shows no driver.
    private func allocated(_ id: String) async throws {
        for _ in 0..<100 {
            let network = try await stage.call("GET", "/networks/\(id)").body
            if network["Driver"]?.string?.isEmpty == false { return }
            try await stage.wait()
        }
    }

    private func presentVersion(_ call: TruthCall) async throws -> Int64 {
        let answer = try await stage.call("GET", "/\(call.kind)/\(call.name ?? "")")
        return answer.body["Version"]?["Index"]?.int ?? 1
    }

    /// A body in which `=configs NAME` stands for an identifier.
    private func withIdentifiers(_ value: JSON) -> JSON {
        switch value {
        case .string(let text) where text.hasPrefix("="):
            return .string(identifiers[String(text.dropFirst())] ?? "unknown")
        case .array(let items): return .array(items.map(withIdentifiers))
        case .object(let members): return .object(members.mapValues(withIdentifiers))
        default: return value
        }
    }

    /// Fields that are the Engine's own affair: times, addresses, versions.
    private static let ignored: Set<String> = [
        "Version", "CreatedAt", "UpdatedAt", "Created", "IPAM", "Containers", "Peers", "ConfigFrom", "ConfigOnly",
        "EnableIPv6", "StartedAt", "CompletedAt", "VirtualIPs", "com.docker.network.driver.overlay.vxlanid_list",
    ]

    private func normal(_ value: JSON) -> JSON {
        switch value {
        case .string(let text):
            var text = text
            for (id, name) in names where text.contains(id) { text = text.replacing(id, with: name) }
            return .string(text)
        case .array(let items):
            // A shared Engine has objects of others.
            let own = items.filter { item in
                guard item["ID"] != nil || item["Id"] != nil else { return true }
                return (item["Spec"]?["Name"] ?? item["Name"])?.string?.hasPrefix(prefix) == true
            }
            let isList = own.contains { $0["ID"] != nil || $0["Id"] != nil } || own.count < items.count
            let normal = own.map(normal)
            return .array(isList ? normal.sorted { $0.text() < $1.text() } : normal)
        case .object(let members):
            let kept = members.filter { !Self.ignored.contains($0.key) }.mapValues(normal)
            return .object(kept.filter { !$0.value.isEmpty })
        default: return value
        }
    }

    /// Removes what was made.
    func clean() async throws {
        for kind in ["services", "networks", "configs", "secrets"] {
            for (name, id) in identifiers where name.hasPrefix(kind) {
                _ = try await stage.call("DELETE", "/\(kind)/\(id)")
            }
        }
    }
}

/// Chooses calls that matter, by a seed.
struct Calls {
    private var random: SeededGenerator
    private let prefix: String
    private let kinds = ["services", "networks", "configs", "secrets"]

    init(seed: UInt64, prefix: String) {
        random = SeededGenerator(seed: seed)
        self.prefix = prefix
    }

    func make(_ count: Int) -> [TruthCall] {
        var copy = self
        return (0..<count).map { _ in copy.next() }
    }

    private mutating func choose<Value>(_ values: [Value]) -> Value {
        values[Int(random.next() % UInt64(values.count))]
    }

    private mutating func name(_ kind: String) -> String { "\(prefix)\(kind.prefix(2))\(choose([1, 2]))" }

    private mutating func labels() -> JSON {
        choose([["\(prefix)a": "1"], ["\(prefix)a": "2", "\(prefix)b": ""], [:], ["\(prefix)b": "x=y"]])
    }

    private mutating func next() -> TruthCall {
        let kind = choose(kinds)
        var call = TruthCall(method: "GET", kind: kind)
        switch random.next() % 10 {
        case 0...3:
            call.method = "POST"
            call.verb = "create"
            call.body = body(kind)
        case 4, 5:
            guard kind != "networks" else {
                call.name = name(kind)
                return call
            }
            call.method = "POST"
            call.name = name(kind)
            call.byIdentifier = choose([true, true, false])
            call.verb = "update"
            call.version = choose([.present, .present, .present, .stale, .future, .missing])
            call.body = body(kind)
            // Mostly of the object itself, so that more than the name is looked at.
            if choose([true, true, true, false]) { call.body?["Name"] = .string(call.name ?? "") }
        case 6:
            call.method = "DELETE"
            call.name = name(kind)
            call.byIdentifier = choose([true, false])
        case 7:
            call.name = choose([name(kind), name(kind), "\(prefix)none"])
            call.byIdentifier = choose([true, false])
        default:
            call.withStatus = kind == "services"
            let a = "\(prefix)a"
            let label = choose([
                "\(a)=1", a, "\(a)=", "\(prefix)b=", "\(prefix)b", "\(prefix)b=x=y", "\(a)=3", "\(prefix)c",
            ])
            call.filters = choose([
                ["label": [.string(label)]], ["label": [.string(label), .string("\(prefix)b")]],
                kind == "networks" ? ["label": [.string(label)]] : ["name": [.string(prefix)]],
                kind == "networks" ? ["driver": ["overlay"]] : ["name": [.string(name(kind))]], ["bogus": ["x"]],
            ])
        }
        return call
    }

    private mutating func body(_ kind: String) -> JSON {
        let name = choose([self.name(kind), self.name(kind), self.name(kind), "\(prefix) bad"])
        var body: JSON = ["Name": .string(name), "Labels": labels()]
        switch kind {
        case "networks":
            body["Driver"] = choose(["overlay", "overlay", "overlay", "nothing"])
            body["Attachable"] = choose([true, false])
            body["CheckDuplicate"] = true
        case "services": body = service(body)
        default: body["Data"] = choose(["eA==", "eA==", "eQ==", ""])
        }
        return body
    }

    private mutating func service(_ start: JSON) -> JSON {
        var body = start
        var container: JSON = [
            "Image": choose(["web:1.0.0", "web:1.1.0", "web:1.0.0", ""]), "Command": ["sleep", "9"],
        ]
        for (kind, list, key) in [("configs", "Configs", "Config"), ("secrets", "Secrets", "Secret")]
        where choose([true, false, false]) {
            let name = self.name(kind)
            container[list] = [
                [
                    "\(key)ID": .string("=\(kind) \(name)"), "\(key)Name": .string(name),
                    "File": ["Name": "/f", "UID": "0", "GID": "0", "Mode": 292],
                ]
            ]
        }
        var task: JSON = ["ContainerSpec": container]
        if choose([true, false, false]) {
            task["Networks"] = [["Target": .string(choose([name("networks"), "\(prefix)none"])), "Aliases": ["x"]]]
        }
        if choose([true, false]) { task["RestartPolicy"] = choose([["Condition": "none"], ["MaxAttempts": 3], [:]]) }
        body["TaskTemplate"] = task
        body["Mode"] = choose([
            ["Replicated": ["Replicas": 0]], ["Replicated": ["Replicas": 0]], ["Replicated": ["Replicas": 0]],
            ["Replicated": ["Replicas": 0], "Global": [:]],
        ])
        if choose([true, false, false]) {
            body["EndpointSpec"] = choose([
                ["Mode": "dnsrr"], ["Mode": "vip"],
                [
                    "Mode": "dnsrr",
                    "Ports": [
                        ["Protocol": "tcp", "TargetPort": 80, "PublishedPort": 39_871, "PublishMode": "ingress"]
                    ],
                ],
                ["Ports": [["Protocol": "tcp", "TargetPort": 80, "PublishedPort": 39_872, "PublishMode": "host"]]],
            ])
        }
        return body
    }
}

/// SplitMix64.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
