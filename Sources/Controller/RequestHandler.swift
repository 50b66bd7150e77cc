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
actor RequestHandler {
    private let context: ControllerContext
    /// Reads the sources at once: whoever asks wants what is there now.
    private let look: @Sendable () async -> Void
    private var begun: Set<Int> = []

    init(context: ControllerContext, look: @escaping @Sendable () async -> Void) {
        self.context = context
        self.look = look
    }

    /// The open requests that nobody is at yet; whoever takes them answers them.
    func take() async -> [Store.Request] {
        let open = (try? await context.store.openRequests()) ?? []
        begun.formIntersection(open.map(\.number))
        return open.filter { begun.insert($0.number).inserted }
    }

    /// Does what a request asks for, and says so when it is done.
    nonisolated func answer(_ request: Store.Request) async {
        let reconciler = context.reconciler
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
        try? await context.store.answer(request.number, at: currentTime())
    }
}
