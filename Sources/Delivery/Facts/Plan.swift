/// The ordered changes that would make observed equal desired.
package struct Plan: Sendable, Hashable {
    package var changes: [Change]

    package init(_ changes: [Change] = []) { self.changes = changes }

    package var isEmpty: Bool { changes.isEmpty }
    /// What brings desired objects about; done first.
    package var forward: [Change] { changes.filter { $0.action != .remove } }
    /// What takes undesired objects away; done last, after health.
    package var removals: [Change] { changes.filter { $0.action == .remove } }
    /// Whether nobody else has a part in what differs.
    var isOwnDoing: Bool { !forward.isEmpty && changes.allSatisfy(\.isOwnDoing) }
    /// The names of the services that are made where there were none.
    var createdServices: [String] { changes.filter { $0.action == .create && $0.kind == "service" }.map(\.name) }
    /// The names of the services that are taken away.
    package var removedServices: [String] { removals.filter { $0.kind == "service" }.map(\.name) }
}

extension Plan {
    /// Whether the removals alone would take away all of the app's services, or more than this share of all that it has
    /// and is to have.
    ///
    /// `services`: How many services the app is to have.
    package func removesMany(ofDeclared services: Int, share: Double) -> Bool {
        let gone = removedServices.count
        guard gone > 0 else { return false }
        return services == 0 || Double(gone) > Double(gone + services) * share
    }
}

/// One change of one object.
package struct Change: Sendable, Hashable {
    /// What is done to the object.
    package enum Action: String, Sendable {
        case create, update, replace, remove
    }

    package var action: Action
    /// What the object is, such as `service`.
    package var kind: String
    package var name: String
    package var fields: [FieldChange]
    /// Whether nothing of the object is changed, and only what the target had paused goes on.
    package var isResumption = false
    /// Whether what runs is left as it is, and only what it would be started with next is another.
    package var isForNextStart = false
    /// Whether nobody else made what differs: whoever keeps the target did, such as with a link whose file was moved.
    package var isOwnDoing = false

    /// The object in words, such as `service web_app`.
    package var subject: String { "\(kind) \(name)" }

    package init(_ action: Action, _ kind: String, _ name: String, fields: [FieldChange] = []) {
        self.action = action
        self.kind = kind
        self.name = name
        self.fields = fields
    }
}

/// One field of an object, from what it is to what it should be; nil where there is nothing.
///
/// Secret values never stand here.
package struct FieldChange: Sendable, Hashable {
    package var path: String
    package var from: String?
    package var to: String?

    package init(_ path: String, from: String?, to: String?) {
        self.path = path
        self.from = from
        self.to = to
    }
}
