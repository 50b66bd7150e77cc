internal import Delivery
internal import JSON
internal import Server

/// What people and programs ask of a running controller.
extension Controller {
    /// Reads the sources now, all at the same time, and reconciles apps; those of one source as soon as that one was read.
    ///
    /// `names`: Ids or names of apps; none for everything. Waited for are only the sources that have the apps, when all of
    /// them are known. `retries`: Whether what was rejected is tried once more.
    package func reconcile(names: [String] = [], retries: Bool = true) async {
        let reconciler = context.reconciler
        @Sendable func settle(_ ids: [AppID]) async {
            if retries { await reconciler.reconcile(ids) } else { await reconciler.bringToRest(ids) }
        }
        let wanted = Set(names)
        func isMeant(_ id: AppID) -> Bool {
            names.isEmpty || wanted.contains(id.name) || wanted.contains(id.description)
        }
        let known = names.isEmpty ? [:] : await reconciler.sources.filter { isMeant($0.key) }
        let found = Set(known.keys.flatMap { [$0.name, $0.description] })
        let isComplete = !names.isEmpty && wanted.isSubset(of: found)
        let owners = Set(known.values)
        let concerned = isComplete ? followers.filter { owners.contains($0.source.name) } : followers
        let sources = Set(concerned.map(\.source.name))
        await withDiscardingTaskGroup { group in
            for follower in followers where !sources.contains(follower.source.name) {
                group.addTask { await follower.hurry() }
            }
            for follower in concerned {
                group.addTask {
                    _ = await follower.look()
                    let ids = await reconciler.sources.filter { $0.value == follower.source.name && isMeant($0.key) }
                    await settle(ids.keys.sorted())
                }
            }
            group.addTask {
                let ids = await reconciler.sources.filter { !sources.contains($0.value) && isMeant($0.key) }
                await settle(ids.keys.sorted())
            }
        }
    }

    /// Lets removals go ahead that wait for a person.
    ///
    /// `name`: A source, or an app with or without its target.
    /// - Returns: Whether anything waited for it.
    @discardableResult
    package func approve(_ name: String) async -> Bool { await context.reconciler.approve(source: name) }

    /// Looks at a source now instead of when it is due.
    package func hurry(_ source: String) async {
        for follower in followers where follower.source.name == source { await follower.hurry() }
    }

    /// Returns when every source was looked at once since the start.
    func looked() async { for follower in followers { await follower.looked() } }
}
