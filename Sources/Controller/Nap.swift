/// A sleep that can be cut short, also before it began.
actor Nap {
    private var sleeper: Task<Void, Never>?
    private var isCut = false

    /// Sleeps for a time, or until `cut` is called or the task is cancelled.
    func sleep(_ time: Duration) async {
        defer { isCut = false }
        guard !isCut else { return }
        let sleeper = Task { _ = try? await Task.sleep(for: time) }
        self.sleeper = sleeper
        await withTaskCancellationHandler {
            await sleeper.value
        } onCancel: {
            sleeper.cancel()
        }
    }

    /// Ends the present sleep, or the next one before it begins.
    func cut() {
        isCut = true
        sleeper?.cancel()
    }
}
