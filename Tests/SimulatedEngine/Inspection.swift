package import JSON

/// A call that changed something.
package struct APIChange: Sendable {
    package enum Action: String, Sendable { case create, update, remove }

    /// When, in nanoseconds of the target's clock.
    package var at: Int64
    package var action: Action
    /// `service`, `network`, `config` or `secret`.
    package var kind: String
    package var id: String
    package var name: String
    /// What was sent; null for a removal.
    package var spec: JSON
}

/// A service as it stands.
package struct ServiceRecord: Sendable {
    package var id: String
    package var name: String
    /// The index with which an update has to come.
    package var version: Int64
    /// Which revision of the specification it is, as its tasks carry it.
    package var specVersion: Int64
    package var spec: JSON
    package var previousSpec: JSON?
    /// `updating`, `paused`, `completed`, `rollback_started`, `rollback_paused` or `rollback_completed`; nil for none.
    package var updateState: String?
    package var updateMessage: String?
}

/// A task and everything that became of it; kept when Swarm has forgotten the task.
package struct TaskRecord: Sendable {
    /// One step.
    package struct Change: Sendable, Hashable {
        /// When, in nanoseconds of the target's clock.
        package var at: Int64
        package var state: TaskState
        package var desired: TaskState
    }

    package var id: String
    package var serviceID: String
    package var serviceName: String
    package var slot: Int
    /// The host it was given to; empty before.
    package var node: String
    package var specVersion: Int64
    /// The task template it was made from.
    package var spec: JSON
    package var error: String
    package var history: [Change]
    /// Whether Swarm still has it.
    package var isInStore: Bool

    package var state: TaskState { history.last?.state ?? .new }
    package var desired: TaskState { history.last?.desired ?? .running }
    /// Whether it ever ran, which with a health check means that it was healthy.
    package var hasRun: Bool { history.contains { $0.state == .running } }
}

/// A network, config or secret as it stands.
package struct ObjectRecord: Sendable {
    package var id: String
    package var name: String
    package var labels: [String: String]
    /// The specification; of a network, the document the API shows.
    package var spec: JSON
}

extension SimulatedEngine {
    /// The services that exist, in the order of their identifiers.
    package var serviceRecords: [ServiceRecord] {
        serviceOrder.compactMap { services[$0] }.map { service in
            ServiceRecord(
                id: service.id,
                name: service.name,
                version: service.version,
                specVersion: service.specVersion,
                spec: service.spec,
                previousSpec: service.previous?.spec,
                updateState: service.updateStatus?.state,
                updateMessage: service.updateStatus?.message
            )
        }
    }

    /// Every task that was ever made, oldest first.
    package var taskRecords: [TaskRecord] { everyTask.map(record) }

    /// The tasks that Swarm still has of a service, oldest first.
    package func tasks(ofService name: String) -> [TaskRecord] {
        guard let service = services.values.first(where: { $0.name == name }) else { return [] }
        return service.tasks.map(record)
    }

    /// The networks of the cluster.
    package var networkRecords: [ObjectRecord] {
        networks.filter { $0.isInCluster && !$0.isPredefined }.map {
            ObjectRecord(id: $0.id, name: $0.name, labels: $0.labels, spec: $0.body)
        }
    }

    package var configRecords: [ObjectRecord] { configs.map(record) }
    package var secretRecords: [ObjectRecord] { secrets.map(record) }

    /// The named volumes that containers have made, each once.
    package var volumes: [String] { volumeNames }

    private func record(_ file: FileObject) -> ObjectRecord {
        ObjectRecord(id: file.id, name: file.name, labels: file.labels, spec: file.spec)
    }

    private func record(_ task: TaskObject) -> TaskRecord {
        TaskRecord(
            id: task.id,
            serviceID: task.service.id,
            serviceName: task.serviceName,
            slot: task.slot,
            node: task.node?.hostname ?? "",
            specVersion: task.specVersion,
            spec: task.spec.json,
            error: task.error,
            history: task.history,
            isInStore: task.isInStore
        )
    }
}
