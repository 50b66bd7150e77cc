internal import Delivery
internal import Files
internal import JSON

/// How far a migration is, on disk: whatever is interrupted goes on where it was.
struct MigrationRecord: Sendable {
    /// What one app has come to.
    enum State: String, Sendable {
        /// Its pods in the cluster are stopped, or about to be.
        case stopped
        /// Its data lies in the node's volumes.
        case copied
        /// It runs on the node.
        case moved
        /// It runs in the cluster again.
        case rolledBack = "rolled back"
    }

    /// One app's entry.
    struct Entry: Sendable {
        var state: State
        /// How many pods each workload had, by its title.
        var replicas: [String: Int]
        /// The unit files written for it.
        var units: [String] = []
        var reason: String?
    }

    let path: String
    private(set) var entries: [String: Entry] = [:]
    /// The steps of a decommission that are done.
    private(set) var steps: [String] = []

    init(path: String) throws {
        self.path = path
        guard let bytes = try? fileContent(path) else { return }
        let json: JSON
        do { json = try JSON(parsing: bytes) } catch {
            throw Failure(.invalid, "'\(path)' cannot be read: \(error); mend it, or remove it to begin anew")
        }
        steps = (json["steps"]?.array ?? []).compactMap(\.string)
        for (name, entry) in json["apps"]?.object ?? [:] {
            guard let state = entry["state"]?.string.flatMap(State.init) else { continue }
            entries[name] = Entry(
                state: state,
                replicas: (entry["replicas"]?.object ?? [:]).compactMapValues { $0.int.map(Int.init) },
                units: (entry["units"]?.array ?? []).compactMap(\.string),
                reason: entry["reason"]?.string
            )
        }
    }

    mutating func note(_ app: String, _ entry: Entry) throws {
        entries[app] = entry
        try write()
    }

    mutating func finish(_ step: String) throws {
        steps.append(step)
        try write()
    }

    private func write() throws {
        let apps = entries.mapValues { entry in
            JSON.compact([
                "state": .string(entry.state.rawValue),
                "replicas": .object(JSON.Members(entry.replicas.mapValues { .int(Int64($0)) })),
                "units": JSON(entry.units), "reason": entry.reason.map { .string($0) },
            ])
        }
        let json: JSON = ["apps": .object(JSON.Members(apps)), "steps": JSON(steps)]
        try makeFolder(folder(of: path), mode: 0o700)
        try replaceFile(path, with: json.encoded(pretty: true), mode: 0o600)
    }
}
