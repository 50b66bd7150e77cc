package import Diagnostics
internal import Files

/// One unit file as it lies in the gitops folder, not read yet.
package struct UnitSource: Sendable, Hashable {
    package var name: UnitName
    /// Where it lies.
    package var path: String
    /// Folders of drop-ins that apply to it, the more general first.
    package var dropInFolders: [String]
    /// Why it cannot be used at all, such as another file of the same name.
    package var problem: Diagnostic?
    /// Changes with the file and its drop-ins.
    package var identity: String
}

/// What lies in the gitops folder: every unit file of the folders that are read, nested ones included.
package struct GitopsTree: Sendable {
    package private(set) var units: [UnitSource] = []
    /// Every folder there is, to be watched.
    package private(set) var folders: [String] = []
    /// What was passed over, and why; it belongs to no unit.
    package private(set) var problems: [Diagnostic] = []
    /// What is for other machines and users, as far as that is worth telling.
    private(set) var elsewhere: [Diagnostic] = []
    /// Whether there may be units that were not seen, so that none may be taken for gone.
    package private(set) var isPartial = false
    let form: GitopsForm
    /// The folders in which this user has a home.
    private(set) var homes: Set<String> = []
    private let layout: NodeLayout
    private var dropIns: [String: String] = [:]
    private var found: [UnitName: [String]] = [:]

    /// So deep folders are read.
    private static let depth = 8

    /// Reads the folder's names and dates; no file is opened.
    /// - Throws: `Invalid` when the gitops folder is not there: then nothing is known of what should run, and nothing may be
    /// removed.
    package init(_ layout: NodeLayout) throws(Invalid) {
        guard fileStatus(layout.gitops)?.kind == .folder else {
            throw Invalid(
                at: Place(file: layout.gitops),
                "there is no gitops folder",
                cure: "make it with 'hecate init node', or name another with HECATE_GITOPS_DIR"
            )
        }
        form = GitopsForm(layout)
        self.layout = layout
        folders.append(layout.gitops)
        switch form {
        case .parts:
            lookBeside(layout.parts)
            for part in layout.parts where isReachable(part) { scan(part, depth: 0) }
        case .given(let names):
            let all = Set(names.map { normalizedPath("\(layout.gitops)/\($0)") })
            // What lies in one of them is read with it.
            let given = all.filter { path in !all.contains { Self.isRead(path, with: $0) } }.sorted()
            if layout.given.isEmpty {
                mention(
                    layout.gitops,
                    "HECATE_GITOPS_UNITS is not set any more, and the folders that it named are read on",
                    "set it again, or remove '\(layout.formNote)' to have it read as it is laid out"
                )
            }
            if !given.contains(layout.gitops) { lookBeside(given) }
            for folder in given { scan(given: folder) }
        case .whole: scan(layout.gitops, depth: 0)
        }
        for (name, paths) in found.sorted(by: { $0.key.description < $1.key.description }) {
            units.append(source(name, paths.sorted()))
        }
        mentionUnusedDropIns()
    }

    /// Whether who reads one folder reads another one in it as well.
    private static func isRead(_ path: String, with outer: String) -> Bool {
        guard path.hasPrefix("\(outer)/") else { return false }
        return path.dropFirst(outer.count + 1).split(separator: "/").allSatisfy { part in
            !part.hasPrefix(".") && !part.hasSuffix(".d")
                && !Install.wanting.contains { part.hasSuffix(".\($0.suffix)") }
        }
    }

    /// Names the units that lie beside the folders for machines.
    private mutating func lookAmongMachines(_ path: String) {
        for entry in (try? names(in: path)) ?? [] where UnitName(entry) != nil {
            guard fileStatus("\(path)/\(entry)")?.kind != .folder else { continue }
            passOver(
                "\(path)/\(entry)",
                "it lies beside folders for machines, and is none's",
                "move it into '\(path)/common' for every machine, or into the folder of one"
            )
        }
    }

    /// Names the units that lie in the folder itself, and the folders with units, where none is read.
    private mutating func lookBeside(_ read: [String]) {
        let places = read.map { "'\($0.dropFirst(layout.gitops.count + 1))'" }.joined(separator: " or ")
        for entry in (try? names(in: layout.gitops)) ?? [] {
            let path = "\(layout.gitops)/\(entry)"
            let isRead = read.contains { $0 == path || $0.hasPrefix("\(path)/") }
            guard !entry.hasPrefix("."), !entry.utf8.contains(where: isControl), !isRead else { continue }
            let isFolder = fileStatus(path)?.kind == .folder
            let units = isFolder ? ((try? names(in: path)) ?? []).filter { UnitName($0) != nil } : []
            if isFolder, units.isEmpty { continue }
            guard isFolder || UnitName(entry) != nil else { continue }
            mention(
                path,
                "units are read from \(places), and \(isFolder ? "those in here are" : "this one is") passed over",
                "move \(isFolder ? "them" : "it") there, or name the folders to read with HECATE_GITOPS_UNITS"
            )
        }
    }

    /// Reads a folder that somebody named; nothing of it may be taken for gone while it is not there.
    private mutating func scan(given path: String) {
        if fileStatus(path)?.kind == .folder { return scan(path, depth: 0) }
        if lookError(path) == nil, linkTarget(path) == nil {
            passOver(path, "HECATE_GITOPS_UNITS names it, and there is no such folder", "make it, or mend the setting")
        } else {
            noteUnreachable(path)
        }
    }

    /// Whether a folder is there; one that cannot be looked at is told of.
    private mutating func isReachable(_ folder: String) -> Bool {
        if fileStatus(folder)?.kind == .folder { return true }
        noteUnreachable(folder)
        return false
    }

    /// What cannot be looked at, or is a link to what is not there, such as a disk that is not mounted, may be a folder of units.
    private mutating func noteUnreachable(_ path: String) {
        if let error = lookError(path) {
            passOver(path, "it cannot be looked at: \(error)", "check its permissions")
        } else if fileStatus(path) == nil, let target = linkTarget(path) {
            passOver(path, "the link leads to '\(target)', which is not there", "mend or remove the link")
        }
    }

    // MARK: Scanning

    private mutating func scan(_ folder: String, depth: Int) {
        folders.append(folder)
        let entries: [String]
        do throws(FileError) {
            entries = try names(in: folder)
            for name in try strangeNames(in: folder) {
                mention(
                    "\(folder)/\(name)",
                    "the name is no UTF-8 or has control characters, so it is passed over",
                    "rename it"
                )
            }
        } catch {
            return passOver(folder, "the folder cannot be read: \(error)", "check its permissions")
        }
        for entry in entries where mayBeRead(entry) && !entry.utf8.contains(where: isControl) {
            let path = "\(folder)/\(entry)"
            let isFolder = fileStatus(path)?.kind == .folder
            if entry.hasPrefix("."), !isFolder { continue }
            if !isFolder, let name = UnitName(entry) {
                found[name, default: []].append(path)
            } else if isFolder, entry.hasSuffix(".d") {
                note(dropIns: entry, path)
            } else if isFolder, let key = Install.wanting.first(where: { entry.hasSuffix(".\($0.suffix)") })?.key {
                mention(
                    path,
                    "what starts a unit is read from its [Install] section, so this folder is passed over",
                    "write [Install] with \(key)=\(entry[..<(entry.lastIndex(of: ".") ?? entry.endIndex)]) in the unit"
                )
            } else if isFolder {
                choose(path, depth: depth + 1)
            } else if entry.hasSuffix(".quadlets") {
                mention(
                    path,
                    "several units in one file are for 'podman quadlet install', so it is passed over",
                    "put each part into a file of its own, named after its '# FileName='"
                )
            } else {
                noteUnreachable(path)
            }
        }
    }

    /// Hidden files are nobody's; of a whole folder a home's settings may hold units.
    private func mayBeRead(_ entry: String) -> Bool { !entry.hasPrefix(".") || form == .whole && entry == ".config" }

    /// Enters a folder, or what of it is for this machine and this user.
    private mutating func choose(_ path: String, depth: Int) {
        guard form == .whole else { return enter(path, depth: depth) }
        switch FolderChoice(layout: layout).verdict(on: path) {
        case .enter: enter(path, depth: depth)
        case .enterOnly(let inner):
            folders.append(path)
            let home = Files.folder(of: path)
            if lastComponent(path) == ".config", lastComponent(home) == layout.user, !inner.isEmpty {
                homes.insert(Files.folder(of: home))
            }
            if FolderChoice.machines.contains(lastComponent(path)) { lookAmongMachines(path) }
            folders += Set(inner.map { Files.folder(of: $0) }).subtracting([path]).sorted()
            for folder in inner { enter(folder, depth: depth + 1) }
        case .others(let why):
            folders.append(path)
            let cure = "have an agent read it there, or name the folders to read with HECATE_GITOPS_UNITS"
            elsewhere.append(Diagnostic(.warning, at: Place(file: path), "\(why), so it is passed over", cure: cure))
        case .unknown(let why):
            folders.append(path)
            isPartial = true
            let cure = "make a folder of that name, or name the folders to read with HECATE_GITOPS_UNITS"
            elsewhere.append(Diagnostic(.error, at: Place(file: path), why, cure: cure))
        case .nothing: break
        }
    }

    /// A folder of drop-ins applies to units wherever they lie, so that there is one of each name.
    private mutating func note(dropIns name: String, _ path: String) {
        folders.append(path)
        guard let other = dropIns[name] else { return dropIns[name] = path }
        dropIns[name] = min(other, path)
        mention(
            max(other, path),
            "drop-ins of '\(name)' are read from \(min(other, path))",
            "put all of them there",
            .error
        )
    }

    /// Names the drop-ins that are laid over nothing.
    private mutating func mentionUnusedDropIns() {
        // Others, such as `conf.d`, are anybody's.
        var unused = dropIns.filter { folder, _ in
            let name = folder.dropLast(".d".count)
            return UnitName(String(name)) != nil || UnitKind(rawValue: String(name)) != nil
        }
        for name in found.keys { for folder in name.dropInFolders { unused[folder] = nil } }
        for (folder, path) in unused.sorted(by: { $0.key < $1.key }) {
            let stem = folder.dropLast(".service.d".count)
            let container = UnitName("\(stem).container")
            if folder.hasSuffix(".service.d"), let container, found[container] != nil {
                mention(
                    path,
                    "the drop-ins are for a service that Podman makes, and are passed over",
                    "put them into \(container).d: its [Service] section is passed on"
                )
            } else if UnitKind.allCases.contains(where: { $0.isOfSystemd && "\($0.rawValue).d" == folder })
                || stem.hasSuffix("-")
            {
                mention(
                    path,
                    "the drop-ins would be laid over units that are not declared here, and are passed over",
                    "put them into a folder of each unit's own, such as web.service.d"
                )
            } else {
                mention(path, "no unit here has the name that these drop-ins are for", "rename or remove the folder")
            }
        }
    }

    private mutating func enter(_ path: String, depth: Int) {
        if linkTarget(path) != nil, let real = realPath(path), let outer = realPath(folder(of: path)),
            outer == real || outer.hasPrefix(real + "/")
        {
            mention(path, "the link leads to a folder that it lies in, so it is passed over", "remove it")
        } else if depth >= Self.depth {
            passOver(path, "folders are read \(Self.depth) deep, and this one lies deeper", "move it up")
        } else {
            scan(path, depth: depth)
        }
    }

    /// There may be units in it.
    private mutating func passOver(_ path: String, _ why: String, _ cure: String) {
        isPartial = true
        mention(path, why, cure, .error)
    }

    private mutating func mention(
        _ path: String,
        _ why: String,
        _ cure: String,
        _ severity: Diagnostic.Severity = .warning
    ) {
        problems.append(Diagnostic(severity, at: Place(file: path), why, cure: cure))
    }

    // MARK: Units

    private func source(_ name: UnitName, _ paths: [String]) -> UnitSource {
        let path = paths[0]
        let folders = name.dropInFolders.compactMap { dropIns[$0] }
        var identities = paths.map { "\($0) \(fileStatus($0)?.identity ?? "none")" }
        var problem = nameProblem(name, path) ?? fileProblem(name, paths)
        for folder in folders {
            do throws(FileError) {
                for file in try names(in: folder) where file.hasSuffix(".conf") {
                    identities.append("\(folder)/\(file) \(fileStatus("\(folder)/\(file)")?.identity ?? "none")")
                }
            } catch {
                // Without its drop-ins it would be another unit.
                problem = Diagnostic(
                    .error,
                    at: Place(file: folder),
                    "the drop-ins of '\(name)' cannot be read: \(error)",
                    cure: "check their permissions"
                )
            }
        }
        return UnitSource(
            name: name,
            path: path,
            dropInFolders: folders,
            problem: problem,
            identity: identities.joined(separator: "\n")
        )
    }

    private func nameProblem(_ name: UnitName, _ path: String) -> Diagnostic? {
        guard let fault = name.fault else { return nil }
        return Diagnostic(.error, at: Place(file: path), fault, cure: "rename the file")
    }

    private func fileProblem(_ name: UnitName, _ paths: [String]) -> Diagnostic? {
        let path = paths[0]
        func problem(_ place: String, _ message: String, _ cure: String) -> Diagnostic {
            Diagnostic(.error, at: Place(file: place), message, cure: cure)
        }
        if paths.count > 1 {
            return problem(paths[1], "'\(name)' stands twice; the other is \(path)", "remove or rename one of them")
        }
        guard let kind = fileStatus(path)?.kind else {
            let target = linkTarget(path) ?? ""
            return problem(path, "the link leads to '\(target)', which is not there", "mend or remove the link")
        }
        guard kind != .file else { return nil }
        return problem(path, "it is \(kind.name), and a unit is a file", "remove it")
    }
}
