/// One unit as a commit declares it.
struct DeclaredUnit: Equatable {
    /// The name without `.container` or `.service`.
    var stem: String
    var nature: NodeNature
    /// Another number is another container.
    var stamp: Int
    /// The number in its environment file and in its drop-in; nil for none.
    var file: Int?
    var dropIn: Int?
    var comment = 0
    /// Whether it mounts the volume that the units share, and which other unit it requires.
    var mounts = false
    var requires: String?
    /// Whether it starts with the machine.
    var isWanted = true
    /// Whether it lies in `system` instead of `apps`.
    var isSystem = false
    /// Whether it is a unit of systemd's own.
    var isProgram = false

    var name: String { "\(stem).\(isProgram ? "service" : "container")" }
    var service: String { "\(stem).service" }
    private var folder: String { isSystem ? "system" : "apps" }

    /// What stands in the meaning of a service that runs just this.
    var marks: [String] {
        ["STAMP=\(stamp)"] + (file.map { ["FILE=\($0)"] } ?? []) + (dropIn.map { ["DROP=\($0)"] } ?? [])
    }

    /// Its files, by their paths below the gitops folder.
    var files: [String: String] {
        var files = ["\(folder)/\(name)": text]
        if let file {
            files["\(folder)/\(stem).env"] = "FILE=\(file)\nPASSWORD=\(FleetFiles.secretMark)-\(stem)-\(file)\n"
        }
        let section = isProgram ? "Service" : "Container"
        if let dropIn { files["\(folder)/\(name).d/10-more.conf"] = "[\(section)]\nEnvironment=DROP=\(dropIn)\n" }
        return files
    }

    private var image: String {
        isProgram ? "/usr/bin/web" : "localhost/\(nature == .missing ? "missing:1" : "web:1.0.0")"
    }

    private var text: String {
        var text = comment > 0 ? "# \(comment)\n" : ""
        text += "[Unit]\nDescription=\(stem)\n"
        if nature == .skipped { text += "ConditionPathExists=/nowhere\n" }
        if let requires { text += "Requires=\(requires).service\nAfter=\(requires).service\n" }
        text += isProgram ? "[Service]\n" : "[Container]\n"
        if nature != .noImage { text += "\(isProgram ? "ExecStart" : "Image")=\(image)\n" }
        text += "Environment=STAMP=\(stamp)\nEnvironment=SIM=\(nature.behaviour)\n" + (isProgram ? "" : nature.lines)
        if file != nil { text += "EnvironmentFile=%h/.hecate/gitops/\(folder)/\(stem).env\n" }
        if mounts { text += "Volume=data.volume:/data\n" }
        text += "[Service]\n" + nature.service + "TimeoutStartSec=20s\nTimeoutStopSec=5s\n"
        if isWanted { text += "[Install]\nWantedBy=default.target\n" }
        return text
    }
}

/// Everything that a commit declares for a node.
struct DeclaredNode: Equatable {
    var units: [DeclaredUnit] = []

    subscript(stem: String) -> DeclaredUnit? {
        get { units.first { $0.stem == stem } }
        set {
            units.removeAll { $0.stem == stem }
            if let newValue { units.append(newValue) }
            units.sort { $0.stem < $1.stem }
        }
    }

    /// The files below the gitops folder.
    var files: [String: [UInt8]] {
        var result: [String: [UInt8]] = [:]
        for unit in units { for (path, text) in unit.files { result[path] = Array(text.utf8) } }
        if units.contains(where: \.mounts) { result["system/data.volume"] = Array("[Volume]\n".utf8) }
        return result
    }

    /// Whether something has a unit started: itself, or what requires it.
    ///
    /// `blocked`: A unit whose place somebody else's file takes, so that it cannot want anything.
    func isAskedFor(_ unit: DeclaredUnit, blocked: String?) -> Bool {
        unit.isWanted
            || units.contains { other in
                other.requires == unit.stem && other.stem != blocked && other.nature != .skipped
                    && !other.nature.isRefused
                    && isAskedFor(other, blocked: blocked)
            }
    }

    /// Whether a unit comes up when nothing disturbs it.
    func isGood(_ unit: DeclaredUnit) -> Bool {
        guard unit.nature.isGood else { return false }
        return unit.requires.map { name in self[name].map { isGood($0) } ?? false } ?? true
    }
}

/// What a commit changes on a node.
enum NodeMutation: String, CaseIterable {
    case changeUnit, changeFile, changeDropIn, dropDropIn, comment, nothing, mend, addUnit, dropUnit, rename, require,
        mount, want, slow, slowCheck, task, run, ends, skipped, crash, crashLoop, unhealthy, unhealthyCheck, missing,
        failingTask,
        unknownKey,
        noImage, unknownVolume, changeTwo, empty

    private static let weights: [(weight: Int, item: NodeMutation)] = [
        (14, .changeUnit), (6, .changeFile), (4, .changeDropIn), (2, .dropDropIn), (3, .comment), (2, .nothing),
        (10, .mend), (5, .addUnit), (4, .dropUnit), (2, .rename), (4, .require), (3, .mount), (2, .want), (4, .slow),
        (3, .slowCheck), (3, .task), (3, .run), (3, .ends), (2, .skipped), (5, .crash), (4, .crashLoop),
        (4, .unhealthy), (3, .unhealthyCheck), (3, .missing),
        (2, .failingTask), (2, .unknownKey), (2, .noImage), (2, .unknownVolume), (4, .changeTwo), (1, .empty),
    ]

    static func drawn(_ random: inout Random) -> NodeMutation { random.pick(weighted: weights) ?? .changeUnit }
}

/// Makes what a node is to have, and changes it.
struct NodeGenerator {
    var random: Random
    private var stamp = 0
    private var made = 0

    init(random: Random) { self.random = random }

    mutating func initial(_ count: Int) -> DeclaredNode {
        var declared = DeclaredNode()
        for _ in 0..<count { declared.units.append(newUnit()) }
        return declared
    }

    mutating func change(_ declared: inout DeclaredNode, by mutation: NodeMutation) {
        switch mutation {
        case .nothing: return
        case .addUnit:
            if declared.units.count < 5 { declared.units.append(newUnit()) }
            return
        case .empty: declared.units = []
        case .changeTwo:
            for _ in 0..<2 {
                if let unit = random.pick(declared.units) { declared[unit.stem]?.stamp = newStamp() }
            }
        default:
            guard let unit = random.pick(declared.units) else { return declared.units.append(newUnit()) }
            change(unit, in: &declared, by: mutation)
        }
        tidy(&declared)
    }

    private mutating func change(_ old: DeclaredUnit, in declared: inout DeclaredNode, by mutation: NodeMutation) {
        var unit = old
        switch mutation {
        case .dropUnit, .rename:
            declared[unit.stem] = nil
            guard mutation == .rename else { return }
            unit.stem = newStem()
        case .changeFile: unit.file = newStamp()
        case .changeDropIn: unit.dropIn = newStamp()
        case .dropDropIn: unit.dropIn = nil
        case .comment: unit.comment += 1
        case .want: unit.isWanted.toggle()
        // Never taken back: what a kept copy mounts is removed once nothing declares it.
        case .mount: unit.mounts = !unit.isProgram
        case .require:
            // Only on what comes before, so that nothing requires itself.
            unit.requires = random.pick(declared.units.filter { $0.stem < old.stem })?.stem
        case .mend:
            for index in declared.units.indices where !declared.units[index].nature.isGood {
                declared.units[index].nature = .good
                declared.units[index].stamp = newStamp()
            }
            return
        default:
            unit.nature = NodeNature(rawValue: mutation.rawValue) ?? .good
            if unit.isProgram { unit.nature = unit.nature.ofProgram }
            unit.stamp = newStamp()
        }
        declared[unit.stem] = unit
    }

    private func tidy(_ declared: inout DeclaredNode) {
        let stems = Set(declared.units.map(\.stem))
        for index in declared.units.indices {
            if let name = declared.units[index].requires, !stems.contains(name) { declared.units[index].requires = nil }
        }
    }

    private mutating func newStamp() -> Int {
        stamp += 1
        return stamp
    }

    private mutating func newStem() -> String {
        made += 1
        return "u\(made)"
    }

    private mutating func newUnit() -> DeclaredUnit {
        var unit = DeclaredUnit(
            stem: newStem(),
            nature: random.pick(weighted: [(6, .good), (1, .slow), (1, .slowCheck), (1, .task), (1, .run), (1, .ends)])
                ?? .good,
            stamp: newStamp(),
            file: random.happens(0.3) ? newStamp() : nil,
            mounts: random.happens(0.2),
            isWanted: random.happens(0.85),
            isSystem: random.happens(0.4)
        )
        if random.happens(0.3) {
            (unit.isProgram, unit.mounts, unit.nature) = (true, false, unit.nature.ofProgram)
        }
        return unit
    }
}
