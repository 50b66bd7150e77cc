/// Which life of which controller: what it has under way belongs to it and dies with it.
struct Life: Hashable, CustomStringConvertible {
    /// A controller outlives its process; a second one beside it has a store of its own.
    var controller: Int
    var owner: World.Owner

    var description: String { "controller \(controller) (life \(owner))" }
}
