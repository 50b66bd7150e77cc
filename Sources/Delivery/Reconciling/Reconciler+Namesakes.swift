/// Apps of one name on targets that may be one and the same.
extension Reconciler {
    /// Why an app must not be removed now, though it is not declared: it is, under another name of the very same target.
    ///
    /// That one takes over what runs, and the claim with it; until then, and while nobody can say whether the two names
    /// are one target's, nothing goes. To be asked after the claim, when what is declared elsewhere can only be newer.
    func obstacle(toRemoving id: AppID) async -> Failure? {
        let namesakes = platforms.keys.filter { $0 != id.target }.sorted().map { AppID(target: $0, name: id.name) }
            .filter { register.isDeclared($0) }
        guard !namesakes.isEmpty, let platform = platforms[id.target] else { return nil }
        for namesake in namesakes {
            guard let other = platforms[namesake.target] else { continue }
            guard let own = try? await platform.identity(), let its = try? await other.identity() else {
                return Failure(
                    .dependencyNotReady,
                    "'\(namesake)' is declared, and may be the same; it waits until both targets say which they are"
                )
            }
            guard own == its else { continue }
            return Failure(
                .dependencyNotReady,
                "waiting for '\(namesake)' to take it over, which is declared and on the very same target"
            )
        }
        return nil
    }
}
