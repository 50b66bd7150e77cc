internal import Delivery
internal import Journal

/// Answers what other processes ask of the running controller through the store.
struct RequestDesk: Sendable {
    let controller: Controller
    let followers: [SourceFollower]

    /// Takes every open request up; each is answered when what it asked for is done.
    func serve() async {
        guard let requests = try? await controller.store.openRequests() else { return }
        await withDiscardingTaskGroup { group in
            for request in requests { group.addTask { await answer(request) } }
        }
    }

    private func answer(_ request: Store.Request) async {
        let reconciler = controller.reconciler
        switch request.kind {
        case "reconcile":
            // The head first: whoever asks wants what is in Git now.
            for follower in followers { try? await follower.look() }
            let names = Set(request.subject.split(separator: ",").map(String.init))
            let ids = await reconciler.apps.filter {
                names.isEmpty || names.contains($0.name) || names.contains($0.description)
            }
            await reconciler.reconcile(ids)
        case "holds":
            try? await reconciler.refreshHolds()
        case "approve":
            await reconciler.approve(source: request.subject)
        default: break
        }
        try? await controller.store.answer(request.number, at: currentTime())
    }
}
