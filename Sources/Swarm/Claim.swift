/// How ownership stands on the cluster: one small config per app.
///
/// Creating one is an atomic claim, it survives the loss of the store, and it changes nothing about the stack's own
/// objects, which stay as `docker stack deploy` makes them.
struct Claim: Sendable {
    static let app = "io.hecate.app"
    private static let owner = "io.hecate.owner"
    private static let prefix = "io.hecate.name-prefix"

    /// Which source of which controller the app belongs to.
    var owner: String
    /// What the names of the stack's objects begin with, where that is not the stack's name.
    var namePrefix: String?

    /// The name of the config that claims a stack.
    static func name(_ stack: String) -> String { "hecate.\(stack)" }

    init(owner: String, namePrefix: String?) {
        self.owner = owner
        self.namePrefix = namePrefix
    }

    init(labels: [String: String]) {
        owner = labels[Self.owner] ?? ""
        namePrefix = labels[Self.prefix]
    }

    func labels(for stack: String) -> [String: String] {
        var labels = [Self.app: stack, Self.owner: owner]
        labels[Self.prefix] = namePrefix
        return labels
    }
}
