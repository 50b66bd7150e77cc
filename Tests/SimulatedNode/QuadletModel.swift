import Files

/// Podman's generator: reads a folder of Quadlet files and makes services of them (podman-systemd.unit(5)).
struct QuadletModel {
    /// The services it makes.
    private(set) var units: [UnitDefinition] = []
    /// What it writes to its standard error for those it refuses.
    private(set) var complaints: [String] = []
    private let folder: String
    private let home: String

    private static let keys: [String: Set<String>] = [
        "Container": [
            "Image", "Exec", "Environment", "EnvironmentFile", "Network", "Volume", "Pull", "HealthCmd",
            "HealthInterval", "HealthRetries", "HealthStartPeriod", "Notify", "Label", "ContainerName", "PodmanArgs",
            "ServiceName", "PublishPort", "HostName",
        ],
        "Volume": ["VolumeName", "Label", "Driver", "Options", "PodmanArgs", "ServiceName"],
        "Network": ["NetworkName", "Label", "Driver", "Subnet", "Internal", "PodmanArgs", "ServiceName"],
    ]

    init(folder: String, home: String) {
        self.folder = folder
        self.home = home
        var files: [(name: String, text: UnitText)] = []
        let entries = (try? names(in: folder)) ?? []
        for name in entries where Self.kind(name) != nil {
            guard let bytes = try? fileContent("\(folder)/\(name)") else {
                // One file that cannot be loaded ends it for all.
                complaints.append(
                    "error loading \"\(folder)/\(name)\", open \(folder)/\(name): no such file or directory"
                )
                continue
            }
            var text = UnitText(String(decoding: bytes, as: UTF8.self))
            for part in UnitText.dropIns("\(folder)/\(name).d") { text.append(part) }
            files.append((name, text))
        }
        guard complaints.isEmpty else { return }
        let present = Set(files.map(\.name))
        for (name, text) in files {
            if let unit = unit(name, text, present) { units.append(unit) }
        }
    }

    /// The kind of a Quadlet file by its name, such as `Container`.
    static func kind(_ name: String) -> String? {
        guard !name.hasPrefix("."), let dot = name.lastIndex(of: ".") else { return nil }
        let kind = name[name.index(after: dot)...]
        return ["container", "volume", "network"].contains(kind)
            ? kind.prefix(1).uppercased() + kind.dropFirst() : nil
    }

    /// The name of the service made of a file.
    static func service(_ file: String) -> String {
        guard let dot = file.lastIndex(of: ".") else { return file }
        let (stem, kind) = (file[..<dot], file[file.index(after: dot)...])
        return kind == "container" ? "\(stem).service" : "\(stem)-\(kind).service"
    }

    private mutating func unit(_ file: String, _ text: UnitText, _ present: Set<String>) -> UnitDefinition? {
        guard let kind = Self.kind(file) else { return nil }
        func refuse(_ why: String) -> UnitDefinition? {
            complaints.append("converting \"\(file)\": \(why)")
            return nil
        }
        for entry in text.entries where entry.section == kind && Self.keys[kind]?.contains(entry.key) != true {
            return refuse("unsupported key '\(entry.key)' in group '\(kind)' in \(folder)/\(file)")
        }
        let service = text.last(kind, "ServiceName").map { "\($0).service" } ?? Self.service(file)
        var unit = UnitDefinition(name: service)
        unit.source = "\(folder)/\(file)"
        let stem = String(file.dropLast(kind.utf8.count + 1))
        if kind == "Container" {
            guard let image = text.last("Container", "Image") else { return refuse("no Image or Rootfs key specified") }
            unit.type = .notify
            unit.read(text)
            var uses: [(unit: String, made: String)] = []
            let mounts = text.all("Container", "Volume").compactMap { $0.split(separator: ":").first }
            for reference in mounts.map(String.init) + text.all("Container", "Network") {
                guard let other = Self.kind(reference) else { continue }
                guard present.contains(reference) else {
                    return refuse("requested Quadlet source \(reference) was not found")
                }
                let made = "systemd-\(reference.dropLast(other.utf8.count + 1))"
                uses.append((Self.service(reference), "\(other.lowercased()) \(made)"))
            }
            unit.requires += uses.map(\.unit)
            unit.after += uses.map(\.unit)
            unit.action = .container(container(stem, image, text, uses.map(\.made)))
        } else {
            unit.type = .oneshot
            unit.read(text)
            unit.staysAfterExit = true
            let name = text.last(kind, "\(kind)Name") ?? "systemd-\(stem)"
            unit.action = .make(kind: kind.lowercased(), name: name)
        }
        return unit
    }

    private func container(_ stem: String, _ image: String, _ text: UnitText, _ uses: [String]) -> ContainerDefinition {
        let files = text.all("Container", "EnvironmentFile").map { path in
            let whole = path.replacing("%h", with: home)
            return whole.hasPrefix("/") ? whole : "\(folder)/\(whole)"
        }
        let health = text.last("Container", "HealthCmd").map { command in
            HealthCheck(
                command: command,
                interval: text.span("Container", "HealthInterval") ?? 30_000_000_000,
                retries: text.last("Container", "HealthRetries").flatMap(Int.init) ?? 3
            )
        }
        return ContainerDefinition(
            name: text.last("Container", "ContainerName") ?? "systemd-\(stem)",
            image: image,
            environment: text.all("Container", "Environment"),
            environmentFiles: files,
            health: health,
            tellsHealth: text.last("Container", "Notify")?.lowercased() == "healthy",
            uses: uses
        )
    }
}
