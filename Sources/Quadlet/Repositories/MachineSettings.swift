internal import Delivery
internal import Diagnostics
internal import YAML

/// What a repository says of one machine: `nodes/<host>.yml`, the groups that it names, and `groups/all.yml`.
struct MachineSettings {
    /// The apps it has, each where it was first named.
    var apps: [(name: String, place: Place)] = []
    /// What `${{ node.NAME }}` stands for on it.
    var values = MachineValues()

    /// Whether the machine has a file of its own.
    private(set) var isNamed = false

    /// The folder of the machines' own files, and of the groups'.
    static let (machines, groups) = ("nodes", "groups")
    /// The group of every machine.
    private static let everyone = "all"

    /// `isLaidOut`: Whether the repository is laid out as hecate-gitops is; in any other one, folders choose what is whose, and
    /// a file that merely has the name of one of these is somebody else's.
    /// - Throws: `Invalid` with everything that is wrong in the files.
    init(of host: String, in snapshot: any BrowsableSnapshot, isLaidOut: Bool) async throws {
        let short = host.split(separator: ".").first.map(String.init) ?? host
        let sink = Fields.Sink()
        var own: File?
        for name in host == short ? [host] : [host, short] where own == nil && !host.isEmpty {
            own = try await File.read("\(Self.machines)/\(name).yml", in: snapshot, isLaidOut, into: sink)
        }
        var files: [File] = []
        if let all = try await File.read(Self.path(Self.everyone), in: snapshot, isLaidOut, into: sink) {
            files = [all]
        }
        for group in own?.groups ?? [] where group.name != Self.everyone {
            if let file = try await File.read(Self.path(group.name), in: snapshot, isLaidOut, into: sink) {
                files.append(file)
            } else if !sink.diagnostics.hasErrors {
                sink.diagnostics.error(
                    at: group.place,
                    "there is no group '\(group.name)': \(Self.path(group.name)) is not in the repository",
                    cure: suggestion(for: group.name, among: try await Self.names(in: Self.groups, of: snapshot))
                )
            }
        }
        isNamed = own != nil
        if let own { files.append(own) }
        try sink.diagnostics.throwIfErrors()
        values = MachineValues(host: short, known: "\(Self.machines)/\(own?.name ?? short).yml or a group of it")
        for file in files {
            for app in file.apps where !apps.contains(where: { $0.name == app.name }) { apps.append(app) }
            // The machine's own word stands over its groups', and a later group's over an earlier one's.
            values.texts.merge(file.values) { $1 }
        }
    }

    private static func path(_ group: String) -> String { "\(groups)/\(group).yml" }

    /// What files of a folder are called, without their ending.
    static func names(in folder: String, of snapshot: any BrowsableSnapshot) async throws -> [String] {
        try await snapshot.files(below: folder).filter { $0.hasSuffix(".yml") && !$0.contains("/") }
            .map { String($0.dropLast(4)) }
    }
}

/// One of the files, read.
private struct File {
    var name: String
    var apps: [(name: String, place: Place)] = []
    var groups: [(name: String, place: Place)] = []
    var values: [String: String] = [:]

    private static let keys = ["apps", "groups", "values"]

    /// - Returns: nil when there is no such file, or when it is no file of Hecate's.
    static func read(
        _ path: String,
        in snapshot: any BrowsableSnapshot,
        _ isLaidOut: Bool,
        into sink: Fields.Sink
    ) async throws -> File? {
        guard try await snapshot.identifier(of: path) != nil else { return nil }
        let node: Node
        do {
            node = try parse(try await snapshot.read(path), file: path)
        } catch let invalid as Invalid where !isLaidOut {
            // Whatever it is, nobody asked for it.
            _ = invalid
            return nil
        }
        let entries = node.mapping?.entries ?? []
        let isOurs =
            !entries.isEmpty && entries.allSatisfy { keys.contains($0.key) }
            && entries.allSatisfy { $0.key != "values" || $0.value.mapping != nil }
        guard isLaidOut || isOurs else { return nil }
        var file = File(name: String(path.split(separator: "/").last?.dropLast(4) ?? ""))
        if node.isNull || node.mapping?.keys.isEmpty == true {
            sink.diagnostics.error(
                at: Place(file: path),
                "the file says nothing",
                cure: "write 'apps: []' for a machine without apps, or remove the file"
            )
            return file
        }
        let fields = Fields(node, into: sink)
        file.apps = file.names("app", fields, "apps")
        if path.hasPrefix(MachineSettings.machines) { file.groups = file.names("group", fields, "groups") }
        // The last one may just have gone from a repository that is laid out so.
        if !isLaidOut, !file.apps.isEmpty {
            fields.error(
                at: fields.keyPlace("apps"),
                "'apps' chooses among quadlet/apps, and this repository has none",
                cure: "put units into \(MachineSettings.machines)/NAME/, or lay them out below quadlet/apps"
            )
        }
        file.readValues(fields)
        fields.finish()
        return file
    }

    /// Names in a list, each a word that a file may have.
    private func names(_ kind: String, _ fields: Fields, _ key: String) -> [(name: String, place: Place)] {
        guard fields.has(key) else { return [] }
        guard let items = fields.node(key).map({ $0.sequence ?? [$0] }) else {
            fields.error(at: fields.keyPlace(key), "'\(key)' has nothing", cure: "write [] for none")
            return []
        }
        return items.compactMap { item in
            let text = item.scalar?.text ?? ""
            let isPath = text.split(separator: "/", omittingEmptySubsequences: false)
                .contains { $0.isEmpty || $0.hasPrefix(".") }
            if !text.isEmpty, !isPath, !(kind == "group" && text.contains("/")) { return (text, item.place) }
            let article = kind == "app" ? "an" : "a"
            fields.error(at: item.place, "\(article) \(kind) is a name, found \(item.kind)")
            return nil
        }
    }

    private mutating func readValues(_ fields: Fields) {
        guard fields.has("values"), let given = fields.fields("values") else { return }
        for entry in given.entries {
            guard MachineValues.isName(entry.key) else {
                given.error(
                    at: entry.keyPlace,
                    "'\(entry.key)' cannot be the name of a value",
                    cure: "use letters, digits, '_', '-' and '.'"
                )
                continue
            }
            guard let text = entry.value.scalar?.text, !entry.value.isNull else {
                given.error(
                    at: entry.value.place,
                    "the value '\(entry.key)' is one line of text, found \(entry.value.kind)",
                    cure: "write '' for an empty one"
                )
                continue
            }
            // Another line would be another key of the unit that it is put into.
            guard !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
                given.error(at: entry.value.place, "the value '\(entry.key)' is more than one line of text")
                continue
            }
            values[entry.key] = text
        }
    }
}
