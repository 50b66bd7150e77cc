/// Who of several controllers acts for a source on a target.
package struct LeaseStanding: Sendable, Hashable {
    package var source: String
    package var target: String
    /// The controller that acts, as `ControllerIdentity.id`; nil when nobody is known to.
    package var holder: String?
    /// Whether that is the one that says so.
    package var isOwn: Bool

    package init(source: String, target: String, holder: String?, isOwn: Bool) {
        self.source = source
        self.target = target
        self.holder = holder
        self.isOwn = isOwn
    }

    /// The same for people, such as `fleet on default: waits; vm2-1a2b acts`.
    package var words: String {
        let what =
            isOwn ? "acts" : holder.map { "waits; \($0) acts" } ?? "waits; the target has not said who acts"
        return "\(source) on \(target): \(what)"
    }
}
