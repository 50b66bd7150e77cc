internal import Delivery
internal import Diagnostics
internal import Files

/// Which files of a repository one machine gets, and with which values.
///
/// Of one laid out as hecate-gitops is, `quadlet/system` always, of `quadlet/apps` what the machine's own file and its groups
/// name; of any other one all that is not hidden, or the folders that somebody named.
struct MachineFiles {
    /// Where each lies in the repository, by its path below the gitops folder.
    private(set) var origins: [String: String] = [:]
    /// Whether the repository is laid out as hecate-gitops is.
    let isLaidOut: Bool
    let values: MachineValues
    /// Whether the machine has a file of its own.
    let isNamed: Bool
    private let snapshot: any BrowsableSnapshot

    /// - Throws: `Invalid` when what the repository says of the machine is wrong.
    init(_ snapshot: any BrowsableSnapshot, _ layout: NodeLayout, registry: PluginRegistry?) async throws {
        self.snapshot = snapshot
        isLaidOut = layout.given.isEmpty ? try await Self.isLaidOut(snapshot) : false
        let settings = try await MachineSettings(of: layout.host, in: snapshot, isLaidOut: isLaidOut)
        (values, isNamed) = (settings.values, settings.isNamed)
        guard isLaidOut else {
            for file in try await snapshot.files(below: "") where layout.gives(file) {
                let isHidden = file.split(separator: "/").contains { $0.hasPrefix(".") && $0 != ".config" }
                if !isHidden { origins[file] = file }
            }
            return
        }
        for file in try await snapshot.files(below: "quadlet/system") where Self.isTaken(file) {
            origins["system/\(file)"] = "quadlet/system/\(file)"
        }
        let available = try await snapshot.files(below: "quadlet/apps")
        let known = Set(available)
        let byStem = Dictionary(grouping: available, by: Self.stem)
        for app in settings.apps {
            let files = registry?[app.name]?.files ?? Self.files(of: app.name, among: byStem)
            let present = files.filter { known.contains($0) }
            guard !present.isEmpty else {
                let names = registry?.plugins.map(\.name) ?? available.filter { UnitName($0) != nil }
                throw Invalid(
                    at: app.place,
                    "'\(app.name)' is nothing that quadlet/apps has",
                    cure: suggestion(for: app.name, among: names)
                )
            }
            for file in present { origins["apps/\(file)"] = "quadlet/apps/\(file)" }
        }
    }

    /// The content of all of them, with the machine's values in it, and whether each is a program.
    /// - Throws: `Invalid` with every value that nobody gives.
    func contents() async throws -> [String: (bytes: [UInt8], isProgram: Bool)] {
        var diagnostics = Diagnostics()
        var result: [String: (bytes: [UInt8], isProgram: Bool)] = [:]
        for (path, origin) in origins.sorted(by: { $0.key < $1.key }) {
            let bytes = try await snapshot.read(origin)
            do throws(Invalid) {
                result[path] = (try values.filled(bytes, file: origin, isForAll: !isLaidOut), false)
            } catch {
                diagnostics.append(contentsOf: error.diagnostics)
            }
            result[path]?.isProgram = try await snapshot.isExecutable(origin)
        }
        try diagnostics.throwIfErrors()
        return result
    }

    private static func isLaidOut(_ snapshot: any BrowsableSnapshot) async throws -> Bool {
        for part in ["quadlet/system", "quadlet/apps"] where try await !snapshot.files(below: part).isEmpty {
            return true
        }
        return false
    }

    /// Documents and hidden files stay behind.
    private static func isTaken(_ file: String) -> Bool {
        !file.hasSuffix(".md") && !lastComponent(file).hasPrefix(".")
    }

    /// What a file's path begins with, up to the first '.' or '/'.
    private static func stem(_ path: String) -> String { String(path.prefix { $0 != "." && $0 != "/" }) }

    /// A plug-in's files: its folder, or by the names daemons and web parts have.
    private static func files(of name: String, among byStem: [String: [String]]) -> [String] {
        let names = [name, "hecate-\(name)", "hecate-\(name)d", "hecate-\(name)w"]
        let folders = ["\(name)/", "hecate-\(name)/"]
        let dropIns = names.flatMap { name in UnitKind.allCases.map { "\(name).\($0.rawValue).d/" } }
        return Set(names.map(stem)).flatMap { byStem[$0] ?? [] }.filter { file in
            file == name || folders.contains { file.hasPrefix($0) }
                || names.contains { file == "\($0).env" || file.hasPrefix("\($0).") && UnitName(file) != nil }
                || dropIns.contains { file.hasPrefix($0) }
        }.sorted()
    }
}

extension NodeLayout {
    /// Whether a file lies in a folder that is read.
    func gives(_ path: String) -> Bool {
        let given = given.map { $0.split(separator: "/").filter { $0 != "." }.joined(separator: "/") }
        return given.isEmpty || given.contains { $0.isEmpty || path.hasPrefix("\($0)/") }
    }
}
