internal import Diagnostics

/// What Podman's generator takes and refuses, known without it.
///
/// The words of each refusal say what to do about it; the tests hold the verdicts against the generator's own, file by file.
/// Source: podman-systemd.unit(5), and Podman's generator itself.
struct QuadletRules {
    /// One unit with its drop-ins laid over it.
    struct Subject {
        var name: UnitName
        var path: String
        var unit: UnitFile
    }

    let version: PodmanVersion
    /// The names of all units that Podman would be given together; nil when any may be among them.
    let names: Set<String>?

    /// Everything that keeps the generator from making a service of a unit.
    func diagnostics(of subject: Subject) -> Diagnostics {
        var check = Check(rules: self, subject: subject)
        check.run()
        return check.diagnostics
    }

    /// The rules for one unit.
    private struct Check {
        let rules: QuadletRules
        let subject: Subject
        var diagnostics = Diagnostics()

        private var unit: UnitFile { subject.unit }
        private var section: String { subject.name.kind.section }

        init(rules: QuadletRules, subject: Subject) {
            (self.rules, self.subject) = (rules, subject)
        }

        mutating func run() {
            kinds()
            keys(of: section)
            keys(of: "Quadlet")
            switch subject.name.kind {
            case .container: container()
            case .volume: volume()
            case .network: network()
            case .pod: pod()
            case .kube: kube()
            case .image: if !has("Image") { missing("Image", "which image it pulls") }
            case .build: build()
            default: return
            }
        }

        // MARK: Lookups

        private func value(_ key: String) -> String? { unit.last(section, key) }
        private func has(_ key: String) -> Bool { value(key) != nil }
        private func entries(_ key: String) -> [UnitFile.Entry] { unit.all(section, key) }
        private func words(of key: String) -> [String] { entries(key).flatMap { Quadlet.words($0.value) } }

        /// Where a key stands, or the unit when it does not.
        private func place(_ key: String, in other: String? = nil) -> Place {
            unit.all(other ?? section, key).last?.place ?? Place(file: subject.path)
        }

        private mutating func refuse(_ place: Place, _ message: String, _ cure: String) {
            diagnostics.error(at: place, message, cure: cure)
        }

        private mutating func missing(_ key: String, _ what: String) {
            refuse(Place(file: subject.path), "nothing says \(what)", "add \(key)= below [\(section)]")
        }

        // MARK: Rules of all units

        private mutating func kinds() {
            let since: [UnitKind: PodmanVersion] = [
                .image: PodmanVersion(4, 8), .pod: PodmanVersion(5, 0), .build: PodmanVersion(5, 2),
            ]
            guard let first = since[subject.name.kind], rules.version < first else { return }
            refuse(
                Place(file: subject.path),
                "Podman \(rules.version) knows no .\(subject.name.kind.rawValue) files",
                "upgrade to Podman \(first), or write it as another unit"
            )
        }

        private mutating func keys(of section: String) {
            guard let known = QuadletKeys.since[section] else { return }
            var seen: Set<String> = []
            for entry in unit.entries where entry.section == section && seen.insert(entry.key).inserted {
                guard let first = known[entry.key] else {
                    let cure = suggestion(for: entry.key, among: known.keys.sorted()) ?? "see podman-systemd.unit(5)"
                    refuse(entry.place, "unknown key '\(entry.key)' in [\(section)]", cure)
                    continue
                }
                guard rules.version < first else { continue }
                refuse(
                    entry.place,
                    "'\(entry.key)' in [\(section)] needs Podman \(first), and this is checked for \(rules.version)",
                    "remove the key, upgrade Podman, or name the version with --podman"
                )
            }
        }

        /// Another unit that this one names has to be among those that Podman is given.
        private mutating func reference(_ name: String, _ place: Place) {
            guard let names = rules.names, !names.contains(name) else { return }
            refuse(place, "'\(name)' is named here and is not in the repository", "add it, or mend the name")
        }

        private mutating func networks() {
            for entry in entries("Network") {
                let parts = entry.value.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
                let name = String(parts[0])
                guard name.hasSuffix(".network") || name.hasSuffix(".container") else { continue }
                reference(name, entry.place)
                guard name.hasSuffix(".container") else { continue }
                if UnitName(name)?.isTemplate == true {
                    refuse(entry.place, "'\(name)' is a template, and so has no container", "name an instance of it")
                } else if parts.count > 1 {
                    refuse(
                        entry.place,
                        "the network of another container takes no options",
                        "remove what follows '\(name)'"
                    )
                }
            }
        }

        private mutating func volumes() {
            for entry in entries("Volume") {
                guard let source = entry.value.split(separator: ":", omittingEmptySubsequences: false).first,
                    entry.value.contains(":"), source.hasSuffix(".volume")
                else { continue }
                reference(String(source), entry.place)
            }
        }

        private mutating func image(_ key: String) {
            guard let image = value(key) else { return }
            let name = image.hasPrefix("\"") && image.hasSuffix("\"") ? String(image.dropFirst().dropLast()) : image
            if name.hasSuffix(".image") || name.hasSuffix(".build") { reference(name, place(key)) }
        }

        /// Services of Podman's own are of few types, and end in few ways.
        private mutating func service(isPod: Bool = false) {
            if let mode = unit.last("Service", "KillMode"), !["mixed", "control-group"].contains(mode) {
                refuse(
                    place("KillMode", in: "Service"),
                    "KillMode=\(mode) would leave a container behind",
                    "write mixed or control-group, or remove the line"
                )
            }
            if let type = unit.last("Service", "Type"), !["notify", "oneshot"].contains(type) {
                refuse(
                    place("Type", in: "Service"),
                    "Podman's services are of Type=notify or oneshot, not \(type)",
                    "remove the line"
                )
            }
        }

        private mutating func users(takesManual: Bool) {
            let remaps = ["RemapUid", "RemapGid"]
            let explicit = ["UserNS", "SubUIDMap", "SubGIDMap"].contains(where: has)
            if explicit || !words(of: "UIDMap").isEmpty || !words(of: "GIDMap").isEmpty {
                // One that is empty stands there as well.
                let older = unit.entries.first { $0.section == section && (remaps + ["RemapUsers"]).contains($0.key) }
                guard let older else { return }
                return refuse(
                    older.place,
                    "\(older.key) cannot stand beside UserNS=, UIDMap= and their like",
                    "remove the older key"
                )
            }
            switch value("RemapUsers") ?? "" {
            case "":
                guard let key = remaps.first(where: { !words(of: $0).isEmpty }) else { return }
                refuse(place(key), "\(key) says nothing without RemapUsers", "use UIDMap= or GIDMap=")
            case "manual" where takesManual, "auto": break
            case "keep-id":
                guard let key = remaps.first(where: { words(of: $0).count > 1 }) else { return }
                refuse(place(key), "RemapUsers=keep-id takes one \(key)", "leave one of them")
            case let other:
                refuse(place("RemapUsers"), "RemapUsers=\(other) is not known here", "use UserNS=")
            }
        }

        // MARK: Kinds of units

        private mutating func container() {
            if has("Image"), has("Rootfs") {
                refuse(place("Rootfs"), "a container has an Image or a Rootfs, and not both", "remove one of them")
            } else if !has("Image"), !has("Rootfs") {
                missing("Image", "what the container is made of")
            }
            image("Image")
            service()
            networks()
            volumes()
            mounts()
            users(takesManual: true)
            if has("Group"), !has("User") {
                refuse(place("Group"), "Group is taken only beside User", "add User=, or remove the line")
            }
            for entry in entries("ExposeHostPort") where !isPort(entry.value) {
                refuse(entry.place, "'\(entry.value)' is no port", "write it as 80, 80-90 or 53/udp")
            }
            if let entry = entries("Pod").last {
                if entry.value.hasSuffix(".pod") {
                    reference(entry.value, entry.place)
                } else {
                    refuse(entry.place, "'\(entry.value)' is no unit", "name a .pod file")
                }
            }
            if has("ReloadCmd"), has("ReloadSignal") {
                refuse(place("ReloadSignal"), "ReloadCmd and ReloadSignal exclude each other", "remove one of them")
            }
        }

        /// Its end is what the generator looks at.
        private func isPort(_ text: String) -> Bool {
            var rest = Substring(text)
            for end in ["/udp", "/tcp"] where rest.hasSuffix(end) {
                rest = rest.dropLast(end.count)
                break
            }
            return rest.utf8.last.map { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ?? false
        }

        private mutating func mounts() {
            for entry in entries("Mount") {
                for mount in Quadlet.words(entry.value) { self.mount(mount, entry.place) }
            }
        }

        private mutating func mount(_ text: String, _ place: Place) {
            let parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            let type = parts.first { $0.hasPrefix("type=") }?.dropFirst("type=".count)
            guard ["volume", "bind", "glob", "image"].contains(type.map(String.init) ?? "volume") else { return }
            let keys = parts.filter { part in ["source", "src"].contains(part.split(separator: "=").first ?? "") }
            guard let last = keys.last else {
                return refuse(
                    place,
                    "the mount names no source, and Podman's generator breaks on that, for all units",
                    "add source=, or write Volume="
                )
            }
            guard let equals = last.firstIndex(of: "="), keys.allSatisfy({ $0.contains("=") }) else {
                return refuse(place, "'source' has no value", "write it as source=NAME")
            }
            let source = String(last[last.index(after: equals)...])
            if source.isEmpty {
                refuse(
                    place,
                    "the source is empty, and Podman's generator breaks on that, for all units",
                    "write it as source=NAME"
                )
            } else if source.hasSuffix(".volume") || source.hasSuffix(".image") {
                reference(source, place)
            }
        }

        private mutating func volume() {
            if value("Driver") == "image" {
                if !has("Image") { missing("Image", "which image the volume shows") }
                return image("Image")
            }
            for key in ["Type", "Options"] where has(key) && !has("Device") {
                refuse(place(key), "\(key) is taken only beside Device", "add Device=, or remove the line")
            }
        }

        private mutating func network() {
            let subnets = entries("Subnet").count
            for key in ["Gateway", "IPRange"] where entries(key).count > subnets {
                let message =
                    subnets == 0 ? "\(key) is taken only beside Subnet" : "there are more lines \(key) than Subnet"
                refuse(place(key), message, "add Subnet=, or remove the line")
            }
        }

        private mutating func pod() {
            networks()
            volumes()
            users(takesManual: true)
        }

        private mutating func kube() {
            if !has("Yaml") { missing("Yaml", "which Kubernetes file is played") }
            service()
            networks()
            users(takesManual: false)
            guard let folder = value("SetWorkingDirectory"), !["yaml", "unit"].contains(folder.lowercased()) else {
                return
            }
            refuse(
                place("SetWorkingDirectory"),
                "SetWorkingDirectory=\(folder) is not known in a .kube file",
                "write yaml or unit"
            )
        }

        private mutating func build() {
            if !has("ImageTag") { missing("ImageTag", "what the image is called") }
            networks()
            volumes()
            let folder = value("SetWorkingDirectory") ?? ""
            let isInService = unit.last("Service", "WorkingDirectory") != nil
            switch folder.lowercased() {
            case "yaml":
                return refuse(
                    place("SetWorkingDirectory"),
                    "SetWorkingDirectory=yaml is for .kube files",
                    "write unit, file or a path"
                )
            case "file" where !has("File"):
                return refuse(place("SetWorkingDirectory"), "there is no File to look beside", "add File=")
            default: break
            }
            guard folder.isEmpty, !isInService else { return }
            guard let file = value("File") else {
                return missing("SetWorkingDirectory", "what is built: neither SetWorkingDirectory nor File")
            }
            let isElsewhere = ["/", "http://", "https://", "git://"].contains { file.hasPrefix($0) }
            if !isElsewhere, !file.contains("github.com/") {
                refuse(
                    place("File"),
                    "a File without a whole path needs to be told from where",
                    "add SetWorkingDirectory=unit"
                )
            }
        }
    }
}
