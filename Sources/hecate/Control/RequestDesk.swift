internal import Documents
internal import Delivery
internal import Journal

extension Store {
    /// Waits until the controller has done what a request asks for; quick at first, because most are done at once.
    func waitForAnswer(to number: Int) async throws {
        var delay = Duration.milliseconds(2)
        while try !isAnswered(number) {
            try await Task.sleep(for: delay)
            delay = min(delay * 1.2, .milliseconds(100))
        }
    }
}

/// Answers what other processes ask of the running controller through the store.
struct RequestDesk: Sendable {
    let room: ControlRoom
    /// Reads the sources at once: whoever asks wants what is there now.
    let look: @Sendable () async -> Void

    /// Takes every open request up; each is answered when what it asked for is done.
    func serve() async {
        guard let requests = try? await room.store.openRequests() else { return }
        await withDiscardingTaskGroup { group in
            for request in requests { group.addTask { await answer(request) } }
        }
    }

    private func answer(_ request: Store.Request) async {
        let reconciler = room.reconciler
        switch request.kind {
        case "reconcile":
            await look()
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
        try? await room.store.answer(request.number, at: currentTime())
    }
}
