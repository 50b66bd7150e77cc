internal import Crypto
internal import Delivery

/// How ownership stands on the cluster: one small config per app.
///
/// Creating one is an atomic claim, it survives the loss of the store, and it changes nothing about the stack's own
/// objects, which stay as `docker stack deploy` makes them.
struct ClaimConfig: Sendable {
    static let app = "io.hecate.app"
    private static let owner = "io.hecate.owner"
    private static let controller = "io.hecate.controller"
    private static let target = "io.hecate.target"
    private static let prefix = "io.hecate.name-prefix"
    private static let rejected = "io.hecate.rejected"
    /// Code points of a failure that stand there; a character may have any number of them.
    private static let longestFailure = 300

    /// Whose the app is.
    var claim: Claim
    /// The target's name in the controller's configuration; nil where an older version claimed it.
    ///
    /// One Swarm may be configured under two names, by two of its managers, and what is claimed under one of them is not
    /// undeclared under the other.
    var target: String?
    /// What the names of the stack's objects begin with, where that is not the stack's name.
    var namePrefix: String?
    /// What was rejected last, as long as it is declared.
    var rejection: Rejection?

    /// The name of the config that claims a stack.
    static func name(_ stack: String) -> String { ObjectName.shortened("hecate.\(stack)", to: 64) }

    init(claim: Claim, target: String, namePrefix: String?, rejection: Rejection? = nil) {
        self.claim = claim
        self.target = target
        self.namePrefix = namePrefix
        self.rejection = rejection
    }

    init(labels: [String: String]) {
        claim = Claim(owner: labels[Self.owner] ?? "", controller: labels[Self.controller] ?? "")
        target = labels[Self.target]
        namePrefix = labels[Self.prefix]
        rejection = labels[Self.rejected].map { fingerprint in
            var rejection = Rejection(
                fingerprint: fingerprint,
                reason: labels["\(Self.rejected).reason"].flatMap(Reason.init) ?? .healthCheckFailed,
                failure: labels["\(Self.rejected).failure"] ?? "",
                isRolledBack: labels["\(Self.rejected).rolled-back"] == "true"
            )
            rejection.controller = labels["\(Self.rejected).by"] ?? ""
            return rejection
        }
    }

    func labels(for stack: String) -> [String: String] {
        var labels = [Self.app: stack, Self.owner: claim.owner, Self.controller: claim.controller]
        labels[Self.target] = target
        labels[Self.prefix] = namePrefix
        if let rejection {
            labels[Self.rejected] = rejection.fingerprint
            labels["\(Self.rejected).reason"] = rejection.reason.rawValue
            labels["\(Self.rejected).failure"] = String(
                String.UnicodeScalarView(rejection.failure.unicodeScalars.prefix(Self.longestFailure))
            )
            labels["\(Self.rejected).rolled-back"] = rejection.isRolledBack ? "true" : nil
            labels["\(Self.rejected).by"] = rejection.controller.isEmpty ? nil : rejection.controller
        }
        return labels
    }
}

/// How the lease of a source stands on the cluster: one small config, renewed by changing its labels, which is a
/// compare-and-set.
struct LeaseConfig: Sendable {
    private static let lease = "io.hecate.lease"
    private static let holder = "io.hecate.holder"
    private static let instance = "io.hecate.instance"
    private static let number = "io.hecate.number"
    /// Grows with each renewal, so that each is a change.
    static let renewals = "io.hecate.renewals"

    static let namePrefix = "hecate.lease."

    static func name(_ owner: String) -> String { namePrefix + sha256(owner).prefix(16) }

    static func labels(_ lease: LeaseRecord, of owner: String, renewals: Int64) -> [String: String] {
        [
            Self.lease: owner, Self.holder: lease.holder.id, Self.instance: lease.holder.instance,
            Self.number: "\(lease.number)", Self.renewals: "\(renewals)",
        ]
    }

    static func record(_ object: ObservedObject) -> LeaseRecord {
        let labels = object.labels
        return LeaseRecord(
            holder: ControllerIdentity(id: labels[holder] ?? "", instance: labels[instance] ?? ""),
            number: labels[number].flatMap(Int64.init) ?? 0,
            version: "\(object.id) \(object.version)"
        )
    }
}
