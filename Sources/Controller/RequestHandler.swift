internal import Delivery
internal import Documents
package import Journal

extension Store {
    /// Asks the running controller for a pass over apps, by their ids or names; over everything when none is given.
    ///
    /// `retries`: Whether what was rejected is tried once more.
    /// - Returns: The request's number.
    package func askReconcile(_ names: [String], retries: Bool = true, author: String) throws -> Int {
        try ask(
            retries ? "reconcile" : "pass",
            subject: names.joined(separator: RequestHandler.separator),
            author: author,
            at: currentTime()
        )
    }

    /// Waits until the controller has done what a request asks for; quick at first, because most are done at once.
    package func waitForAnswer(to number: Int) async throws {
        var delay = Duration.milliseconds(2)
        while try !isAnswered(number) {
            try await Task.sleep(for: delay)
            delay = min(delay * 1.05, .milliseconds(100))
        }
    }
}

/// Answers what other processes ask of the running controller through the store.
actor RequestHandler {
    /// Stands between the names of a request; no name holds a space.
    static let separator = " "

    private let controller: Controller
    private var begun: Set<Store.Request> = []
    /// Those of them that are done, and whose answer could not be written.
    private var unanswered: Set<Store.Request> = []

    init(_ controller: Controller) { self.controller = controller }

    /// Answers requests until the task is cancelled.
    ///
    /// `wakeups`: Yields when another process left one.
    nonisolated func run(wakeups: AsyncStream<Void>) async {
        let (calls, call) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        await withDiscardingTaskGroup { group in
            group.addTask { for await _ in wakeups { call.yield() } }
            group.addTask {
                // A wake-up can be lost; a request must not be.
                while !Task.isCancelled {
                    call.yield()
                    // Nor must a hold that nobody asked about, or that could not be read when somebody did.
                    _ = try? await self.controller.context.reconciler.refreshHolds()
                    try? await Task.sleep(for: .seconds(5))
                }
            }
            // What takes long is not waited for: a hold has to be heard meanwhile.
            for await _ in calls {
                for request in await take() { group.addTask { await self.answer(request) } }
            }
        }
    }

    /// Takes up the approvals of single apps that were left for whichever controller comes next.
    ///
    /// Those of whole sources stay where they are: nobody knows any more which apps they were for.
    func answerApprovals() async {
        let apps = await controller.context.reconciler.apps
        for request in await take() where request.kind == "approve" {
            guard apps.contains(where: { $0.name == request.subject || $0.description == request.subject }),
                await !controller.context.reconciler.isSource(request.subject)
            else { continue }
            await answer(request)
        }
    }

    /// The open requests that nobody is at yet; whoever takes them answers them.
    private func take() async -> [Store.Request] {
        guard let open = try? await controller.context.store.openRequests() else { return [] }
        // A store that began anew counts its requests anew.
        begun.formIntersection(open)
        unanswered.formIntersection(begun)
        for request in unanswered { await finish(request) }
        return open.filter { begun.insert($0).inserted }
    }

    /// Has a request taken up again.
    private func leave(_ request: Store.Request) { begun.remove(request) }

    /// Says that a request is done; what cannot be said now is said later, and not done again.
    private func finish(_ request: Store.Request) async {
        do {
            try await controller.context.store.answer(request.number, at: currentTime())
            unanswered.remove(request)
        } catch {
            unanswered.insert(request)
        }
    }

    /// Does what a request asks for, and says so when it is done.
    private nonisolated func answer(_ request: Store.Request) async {
        let context = controller.context
        switch request.kind {
        case "reconcile", "pass":
            let names = request.subject.split(separator: Self.separator).map(String.init)
            // A subject that is not empty and names nothing must not mean everything.
            guard request.subject.isEmpty || !names.isEmpty else { break }
            await controller.reconcile(names: names, retries: request.kind == "reconcile")
        case "holds":
            guard let changed = try? await context.reconciler.refreshHolds() else { return await leave(request) }
            // Another request may have had it taken up already.
            let asked = await context.reconciler.apps.filter { $0.description == request.subject }
            await passesEnd(over: changed.union(asked))
        case "approve":
            // One that was left before the start is for what was told then, and for what the sources and targets say now.
            if await !controller.approve(request.subject) {
                await controller.looked()
                await context.reconciler.surveyed()
                let isDone = await controller.approve(request.subject)
                let isRead = await context.reconciler.isRead(request.subject)
                // It is taken up again as long as nobody can say what it is for.
                guard isDone || isRead else { return await leave(request) }
            }
        default: break
        }
        await finish(request)
    }

    /// Waits, up to four seconds, for the passes that are under way: whoever holds an app acts on it as soon as it is told of.
    private nonisolated func passesEnd(over apps: Set<AppID>) async {
        let reconciler = controller.context.reconciler
        var underWay: [AppID: ContinuousClock.Instant] = [:]
        for id in apps { underWay[id] = await reconciler.pass(over: id) }
        for _ in 0..<80 {
            for (id, begun) in underWay where await reconciler.pass(over: id) != begun { underWay[id] = nil }
            guard !underWay.isEmpty, (try? await Task.sleep(for: .milliseconds(50))) != nil else { return }
        }
    }
}
