internal import Arguments
internal import Configuration
internal import Controller
internal import Delivery
internal import Diagnostics
internal import Files
internal import Glibc
internal import Journal
internal import Quadlet

/// What every command begins with: the configuration and the store.
enum Settings {
    /// Reads the configuration a command line names.
    /// - Throws: `Invalid` when it cannot be used, `Failure` when the named file is not there.
    static func configuration(_ invocation: Invocation) throws -> Configuration {
        let environment = ConfigurationEnvironment(variables: environmentVariables(), read: { readFile($0) })
        var configuration: Configuration
        if let path = configurationFile(invocation) {
            guard let bytes = readFile(path) else {
                throw Failure(
                    .notFound,
                    "the configuration '\(path)' cannot be read: \(String(cString: strerror(errno)))"
                )
            }
            configuration = try Configuration(bytes, file: path, environment: environment)
        } else {
            configuration = try Configuration(environment: environment)
        }
        if let store = invocation["store"] { configuration.store = store }
        return configuration
    }

    /// The configuration file that the command line, the environment or its place names; nil when there is none.
    static func configurationFile(_ invocation: Invocation) -> String? {
        let named = invocation["config"] ?? (invocation.command.name == "run" ? invocation.arguments.first : nil)
        return named ?? environmentVariable("HECATE_CONFIG")
            ?? ["config.yml", "/etc/hecate/config.yml"].first(where: isReadable)
    }

    /// Whether the command line or the environment names the configuration file.
    static func namesConfiguration(_ invocation: Invocation) -> Bool {
        invocation["config"] != nil || environmentVariable("HECATE_CONFIG") != nil
    }

    /// The node this runs on, when it is one and nothing else is named: there is a gitops folder and no configuration.
    static func node(_ invocation: Invocation) throws -> AgentSettings? {
        let names = ["HECATE_CONFIG", "HECATE_GIT_URL", "HIVEMIND_GIT_URL"]
        guard invocation["config"] == nil, names.allSatisfy({ environmentVariable($0) == nil }),
            !["config.yml", "/etc/hecate/config.yml"].contains(where: isReadable)
        else { return nil }
        var settings = try AgentSettings.found()
        guard fileStatus(settings.layout.gitops)?.kind == .folder else { return nil }
        if let store = invocation["store"] { settings.store = store }
        return settings
    }

    /// The folder of the store: the command line's, or the configuration's, or the node's.
    static func storeFolder(_ invocation: Invocation) throws -> String {
        if let store = invocation["store"] ?? environmentVariable("HECATE_STORE") { return store }
        if let node = try node(invocation) { return node.store }
        return try configuration(invocation).store
    }

    /// Opens the store that a command reads.
    /// - Throws: `Failure` when no controller has ever run there.
    static func existingStore(_ invocation: Invocation) throws -> Store {
        try existingStore(in: try storeFolder(invocation))
    }

    /// Opens a store as it is, beside whoever works on it.
    /// - Throws: `Failure` when no controller has ever run there.
    static func existingStore(in folder: String) throws -> Store {
        let path = "\(folder)/hecate.db"
        guard access(path, F_OK) == 0 else {
            throw Failure(
                .notFound,
                "there is no store in '\(folder)'; start a controller with 'hecate run', or name the store with --store"
            )
        }
        return try Store(path: path, repairs: false)
    }

    /// Makes sure that nobody else works on a store; to be held before the store is opened, because whoever opens it as its
    /// owner repairs it.
    static func lock(_ folder: String) throws -> ControllerLock {
        try makeFolder(folder)
        return try ControllerLock(folder: folder)
    }

    /// Opens a store as it is; makes it first where none is, unless somebody else is about to.
    static func madeStore(_ folder: String) throws -> Store {
        if let store = try? existingStore(in: folder) { return store }
        do {
            _ = try ownStore(folder, try lock(folder))
        } catch let failure as Failure where failure.reason == .conflict {
            // Whoever has the lock makes it.
        }
        return try existingStore(in: folder)
    }

    /// Opens the controller's own store.
    ///
    /// `lock`: Held by whoever repairs a store, for as long as they work on it; makes sure that it stays theirs alone when its
    /// file goes.
    static func ownStore(_ folder: String, _ lock: ControllerLock) throws -> Store {
        // The store may outlive the work by a moment, and must not keep the lock from whoever is next.
        try Store(path: "\(folder)/hecate.db", secure: { [weak lock] in try lock?.hold() })
    }

    private static func isReadable(_ path: String) -> Bool { access(path, R_OK) == 0 }

    static func makeFolder(_ folder: String) throws {
        var path = folder.hasPrefix("/") ? "" : "."
        for part in folder.split(separator: "/") {
            path += "/\(part)"
            if mkdir(path, 0o700) != 0, errno != EEXIST {
                throw Failure(.unavailable, "the folder '\(path)' cannot be made: \(String(cString: strerror(errno)))")
            }
        }
    }

    /// Who is asking, for the journal.
    static var author: String {
        if let user = environmentVariable("HECATE_AUTHOR") ?? environmentVariable("SUDO_USER")
            ?? environmentVariable("USER")
        {
            return user
        }
        return getpwuid(getuid()).map { String(cString: $0.pointee.pw_name) } ?? "uid \(getuid())"
    }

    /// The app a person means by a name, with or without its target.
    static func app(_ name: String, among records: [AppRecord]) throws -> AppRecord {
        let id = try app(name, among: records.map(\.id))
        return records.first { $0.id == id } ?? AppRecord(id: id, source: "")
    }

    /// Ends a command that was given something that can be no app's and no source's name, such as an empty word, which means
    /// everything to more than one API.
    static func checkName(_ name: String) throws {
        let parts = name.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let id = parts.count == 2 ? AppID(target: parts[0], name: parts[1]) : AppID(target: "target", name: name)
        guard id.isValid else {
            throw Failure(
                .invalid,
                "'\(name)' is no name of an app; give its name, or TARGET/NAME; see 'hecate list apps'",
                next: .needsChange
            )
        }
    }

    /// The apps that names mean; all when none is named.
    static func chosen(_ names: [String], among ids: some Collection<AppID>) throws -> [AppID] {
        let ids = Array(ids)
        return try names.isEmpty ? ids : names.map { try app($0, among: ids) }
    }

    private static func app(_ name: String, among ids: [AppID]) throws -> AppID {
        try checkName(name)
        var matches = ids.filter { $0.name == name || $0.description == name }
        // On a node 'web' means 'web.container' when there is no other.
        if matches.isEmpty { matches = ids.filter { $0.name == "\(name).container" } }
        if matches.isEmpty { matches = ids.filter { $0.name.hasPrefix("\(name).") } }
        if matches.count == 1 { return matches[0] }
        if matches.count > 1 {
            throw Failure(
                .notFound,
                "'\(name)' runs on several targets; name one: \(matches.map(\.description).joined(separator: ", "))"
            )
        }
        let hint = suggestion(for: name, among: ids.map(\.name)) ?? "see 'hecate list apps'"
        throw Failure(.notFound, "there is no app '\(name)'; \(hint)")
    }
}
