internal import Glibc
internal import JSON

/// One task as the Engine reports it.
struct ObservedTask: Sendable {
    var id: String
    var serviceID: String
    /// The Raft index at which the task was last written; it grows with everything that happens to the task.
    ///
    /// A failed task is written twice more within a third of a second, when the manager gives it up and when the node
    /// confirms it, and once more when the Engine it ran on is started again; its time moves then as well.
    var version: Int64
    var slot: Int64
    var nodeID: String
    var state: String
    var desiredState: String
    var error: String
    var exitCode: Int64?
    var time: String
    var createdAt: String
    var spec: JSON

    init?(_ json: JSON) {
        guard let id = json["ID"]?.string, let serviceID = json["ServiceID"]?.string else { return nil }
        self.id = id
        self.serviceID = serviceID
        version = json["Version"]?["Index"]?.int ?? 0
        slot = json["Slot"]?.int ?? 0
        nodeID = json["NodeID"]?.string ?? ""
        state = json["Status"]?["State"]?.string ?? ""
        desiredState = json["DesiredState"]?.string ?? ""
        error = json["Status"]?["Err"]?.string ?? ""
        exitCode = json["Status"]?["ContainerStatus"]?["ExitCode"]?.int
        time = json["Status"]?["Timestamp"]?.string ?? ""
        createdAt = json["CreatedAt"]?.string ?? ""
        spec = json["Spec"] ?? .null
    }

    /// Whether Swarm found that no node takes tasks (swarmkit, `ReadyFilter`), and nothing else.
    var waitsForAnyNode: Bool {
        state == "pending" && error.hasSuffix(" not available for new tasks)") && !error.contains(";")
    }

    var hasFailed: Bool { ["failed", "rejected", "orphaned"].contains(state) }

    /// Whether it failed because the Engine no longer had its container, as after a restart, or because its node, which is
    /// drained, gave up its network before it began: nobody's fault that made it.
    var wasLost: Bool {
        hasFailed && Self.losses.contains(where: says) || state == "rejected" && says("error while removing network")
    }

    /// Whether its error has a phrase in it; asked of each task at each look, and so of its bytes.
    private func says(_ phrase: String) -> Bool { strstr(error, phrase) != nil }

    /// Whether its image could not be had although the registry had named its digest: it is away, or allows no more.
    var couldNotBePulled: Bool {
        state == "rejected" && error.contains("No such image")
            && spec["ContainerSpec"]?["Image"]?.string?.contains("@sha256:") == true
    }

    /// Whether it ended as a container does that the Engine finds dead as it starts (255), or that it killed or asked to end.
    ///
    /// So a container ends with its machine or its Engine, and a program may end so too.
    var mayHaveDiedWithTheEngine: Bool { hasFailed && [255, 137, 143].contains(exitCode) }

    /// What is said of tasks when an Engine that was started again does not know their containers, or not yet their networks,
    /// or when one that is busy cannot mount their secrets.
    private static let losses = [
        "No such container", "node is missing network attachments", "when swarm is not active",
        "unable to remount dir as readonly",
    ]

    var hasCompleted: Bool { state == "complete" }

    /// Whether nothing of the task runs any more or will.
    var hasEnded: Bool { hasFailed || ["complete", "shutdown", "remove"].contains(state) }

    var isRunning: Bool { state == "running" && desiredState == "running" }

    /// Whether Swarm means to run the task, or has not yet decided on the one that follows it.
    var isWanted: Bool {
        desiredState == "ready" || desiredState == "running" || desiredState == "complete" && !hasCompleted
    }

    /// What the task is one of: its slot, or for a global service its node.
    var place: String { slot > 0 ? "\(slot)" : nodeID }

    /// Whether the task was made from the specification that the service has now.
    func isCurrent(of service: ObservedService) -> Bool {
        guard case .object = spec else { return true }
        let template = service.spec["TaskTemplate"]
        return spec["ContainerSpec"] == template?["ContainerSpec"] && spec["ForceUpdate"] == template?["ForceUpdate"]
    }

    /// Whether two tasks were made from the same specification.
    func isLike(_ other: ObservedTask) -> Bool { spec == other.spec }

    /// The task and what became of it, for people.
    func description(in service: ObservedService) -> String {
        var what = error.isEmpty ? state : error
        if let code = exitCode, code != 0, !what.contains("(\(code))") { what += " (exit code \(code))" }
        return "task \(name(in: service)) \(state): \(what)"
    }

    /// `SERVICE.SLOT`, as the Engine's own client writes it.
    func name(in service: ObservedService) -> String { slot > 0 ? "\(service.name).\(slot)" : service.name }
}

extension [ObservedTask] {
    /// The task that something happened to last; of those that were written together, the one made last.
    var newest: ObservedTask? {
        self.max { ($0.version, parseTime($0.createdAt)) < ($1.version, parseTime($1.createdAt)) }
    }
}
