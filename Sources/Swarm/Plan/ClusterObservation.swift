internal import Delivery
internal import JSON

/// A service as the Engine reports it.
struct ObservedService: Sendable {
    var id: String
    var version: Int64
    var name: String
    var stack: String
    var spec: JSON
    var previousSpec: JSON?
    var updatedAt: String
    var updateStatus: JSON?
    var running: Int64
    var desired: Int64
    var completed: Int64

    init?(_ json: JSON) {
        guard let id = json["ID"]?.string, let version = json["Version"]?["Index"]?.int, let spec = json["Spec"],
            let name = spec["Name"]?.string
        else { return nil }
        self.id = id
        self.version = version
        self.name = name
        self.spec = spec
        stack = spec["Labels"]?[StackLabel.namespace]?.string ?? ""
        previousSpec = json["PreviousSpec"]
        updatedAt = json["UpdatedAt"]?.string ?? ""
        updateStatus = json["UpdateStatus"]
        running = json["ServiceStatus"]?["RunningTasks"]?.int ?? 0
        desired = json["ServiceStatus"]?["DesiredTasks"]?.int ?? 0
        completed = json["ServiceStatus"]?["CompletedTasks"]?.int ?? 0
    }

    /// Whether Swarm has not come to the end of an update, and so still knows for certain what ran before.
    var isAmidUpdate: Bool {
        // An update that was paused and goes on is one from what it is about.
        guard ["updating", "paused"].contains(updateStatus?["State"]?.string) else { return false }
        return previousSpec != nil && previousSpec != spec
    }

    /// When somebody changed it last; Swarm writes it once more as it rolls an update back.
    var changedAt: String {
        guard updateStatus?["State"]?.string?.hasPrefix("rollback") == true else { return updatedAt }
        return updateStatus?["StartedAt"]?.string ?? updatedAt
    }

    /// Whether the service is one of Swarm's jobs.
    var isJob: Bool { spec["Mode"]?["ReplicatedJob"] != nil || spec["Mode"]?["GlobalJob"] != nil }

    /// Whether a task of the service that ends well is done and not started again, as a migration's is.
    var endsByItself: Bool {
        let condition = spec["TaskTemplate"]?["RestartPolicy"]?["Condition"]?.string
        return condition == "none" || condition == "on-failure"
    }

    /// Whether a task that ended need not be followed by another.
    var mayStandStill: Bool {
        endsByItself || spec["TaskTemplate"]?["RestartPolicy"]?["MaxAttempts"]?.int ?? 0 > 0
    }
}

/// A network, config or secret as the Engine reports it.
struct ObservedObject: Sendable {
    var id: String
    var version: Int64
    var name: String
    var labels: [String: String]
    var json: JSON

    init?(_ json: JSON) {
        guard let id = (json["ID"] ?? json["Id"])?.string else { return nil }
        self.id = id
        self.json = json
        version = json["Version"]?["Index"]?.int ?? 0
        name = (json["Spec"]?["Name"] ?? json["Name"])?.string ?? ""
        labels = (json["Spec"]?["Labels"] ?? json["Labels"])?.strings ?? [:]
    }

    /// The content of a config; nil for a secret, which cannot be read.
    var data: String? { json["Spec"]?["Data"]?.string }
}

/// Everything of one stack, as it is.
struct ObservedStack: Sendable {
    var services: [ObservedService] = []
    var networks: [ObservedObject] = []
    var configs: [ObservedObject] = []
    var secrets: [ObservedObject] = []
    /// Names of networks by their identifiers, also of those the stack does not own.
    var networkNames: [String: String] = [:]

    /// The tasks of the services, where they were asked for.
    var tasks: [ObservedTask] = []

    var isEmpty: Bool { services.isEmpty && networks.isEmpty && configs.isEmpty && secrets.isEmpty }

    /// Only what is marked as the stack's own, letter for letter, whatever the Engine thought of the filter.
    func keeping(only stack: String) -> ObservedStack {
        var kept = self
        kept.services.removeAll { $0.stack != stack }
        for list in [\ObservedStack.networks, \.configs, \.secrets] {
            kept[keyPath: list].removeAll { $0.labels[StackLabel.namespace] != stack }
        }
        let services = Set(kept.services.map(\.id))
        kept.tasks.removeAll { !services.contains($0.serviceID) }
        return kept
    }

    /// What has happened to the stack up to now; needs its tasks.
    var mark: StackMark { StackMark(services: services, tasks: tasks) }

    /// The tasks that ended and should not have, of the specifications that services of these names have now.
    func failures(of names: Set<String>) -> String {
        // Few tasks have ended, and the rest need not be looked at closely.
        let failed = tasks.filter { task in
            guard task.hasFailed || task.hasCompleted,
                let service = services.first(where: { $0.id == task.serviceID && names.contains($0.name) }),
                task.isCurrent(of: service)
            else { return false }
            return task.hasFailed || !service.endsByItself && !service.isJob
        }
        return failed.map(\.id).sorted().joined(separator: " ")
    }

    /// When a service was changed last, or a task of it made that runs.
    var changedAt: Timestamp? {
        let times = services.map(\.updatedAt) + tasks.filter(\.isRunning).map(\.createdAt)
        return times.map(parseTime).max().flatMap { $0 > 0 ? Timestamp($0) : nil }
    }

    /// What is put after a mark when nobody looked for a time; needs the tasks.
    var sparing: String { StackMark.sparing(tasks) }
}

/// Seconds since 1970 of a time as the Engine writes it (RFC 3339 in UTC with up to nine decimals); zero for none.
func parseTime(_ text: String) -> Double {
    let separators = "-T:Z".utf8
    let parts = text.utf8.split(whereSeparator: { separators.contains($0) }).map(Substring.init)
    guard parts.count == 6, let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2]),
        let hour = Int(parts[3]), let minute = Int(parts[4]), let second = Double(parts[5])
    else { return 0 }
    // Days from the civil calendar (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    let shifted = month <= 2 ? year - 1 : year
    let era = shifted / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    let days = era * 146_097 + dayOfEra - 719_468
    return Double(days * 86_400 + hour * 3600 + minute * 60) + second
}
