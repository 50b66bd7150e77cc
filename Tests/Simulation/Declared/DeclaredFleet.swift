import Delivery

/// One service as a commit declares it.
struct DeclaredService: Equatable {
    /// The name of the service that others may need.
    static let database = "db"

    var name: String
    var nature: Nature
    /// Another number is another service: it stands in the environment of its tasks.
    var stamp: Int
    var replicas = 1
    /// The number of the config's content; nil for none.
    var config: Int?
    /// The number of the secret's content; nil for none.
    var secret: Int?
}

/// One entry of `stacks.yml` with its Compose file.
struct DeclaredApp: Equatable {
    /// What is odd about the entry or its file.
    enum Oddity: String, CaseIterable {
        /// The entry has a key that nobody knows.
        case unknownKey
        /// The Compose file is empty.
        case emptyFile
        /// The Compose file cannot be parsed.
        case brokenFile
        /// The Compose file is not there.
        case noFile
    }

    var name: String
    var target: String
    var services: [DeclaredService]
    var isEnabled = true
    var dependsOn: [String] = []
    /// Whether somebody else scales its services, so that their numbers are left alone.
    var ignoresReplicas = false
    var replaces: [String] = []
    var oddity: Oddity?
    /// Another number is another network.
    var network = 0
    /// Whether a comment stands in the file: another text with the same meaning.
    var comment = 0

    /// Whether it can be read; a file without services says nothing that could be deployed.
    var isReadable: Bool { oddity == nil && !services.isEmpty }

    /// Whether it can be deployed when nothing disturbs it.
    var isGood: Bool {
        let hasDatabase = database.map { [.good, .slow].contains($0.nature) } ?? false
        return isReadable && services.allSatisfy { $0.nature.isGood(hasDatabase: hasDatabase) }
    }

    private var database: DeclaredService? { services.first { $0.name == DeclaredService.database } }

    /// Whether a service is declared to depend on the database beside it: always on one that is slow, otherwise every other
    /// time.
    func declaresNeed(of service: DeclaredService) -> Bool {
        guard service.nature == .needsDatabase, let database else { return false }
        return database.nature == .slow || service.stamp % 2 == 0
    }

    /// Whether a service needs the database and does not say so.
    var hasUndeclaredNeed: Bool {
        services.contains { $0.nature == .needsDatabase && !declaresNeed(of: $0) }
    }
}

/// Everything a commit declares.
struct DeclaredFleet: Equatable {
    /// What is odd about the stacks file as a whole.
    enum Oddity: String, CaseIterable {
        case notYAML, notMapping
    }

    var apps: [DeclaredApp] = []
    var retired: [String] = []
    /// Entries without a name, and list items with nothing in them.
    var namelessEntries = 0
    var emptyItems = 0
    var oddity: Oddity?

    subscript(name: String) -> DeclaredApp? {
        get { apps.first { $0.name == name } }
        set {
            apps.removeAll { $0.name == name }
            if let newValue { apps.append(newValue) }
            apps.sort { $0.name < $1.name }
        }
    }

    /// The apps that it declares, whatever their files are worth.
    var declared: Set<AppID> {
        oddity == nil ? Set(apps.filter(\.isEnabled).map { AppID(target: $0.target, name: $0.name) }) : []
    }

    /// Whether every entry of it can be read.
    var isReadable: Bool { oddity == nil && !hasOddEntries && !apps.contains { $0.oddity == .unknownKey } }

    /// Whether it has entries of which nobody can tell what they are; where no app is declared, no entry is written at all.
    var hasOddEntries: Bool { !apps.isEmpty && (namelessEntries > 0 || emptyItems > 0) }
}
