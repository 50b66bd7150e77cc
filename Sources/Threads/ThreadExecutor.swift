import Synchronization

/// A serial executor on one thread of its own: an actor that runs on it may block without holding anybody else.
///
/// The thread begins with the first job.
package final class ThreadExecutor: SerialExecutor {
    private struct State {
        var jobs: [UnownedJob] = []
        var isRunning = false
        /// Whether the thread ends when there is nothing left to do.
        var mayEnd = false
    }

    private let name: String
    private let state = Mutex(State())
    private let signal = Signal()

    package init(name: String) { self.name = name }

    package func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        let isFirst = state.withLock { state in
            state.jobs.append(unowned)
            defer { state.isRunning = true }
            return !state.isRunning
        }
        signal.post()
        guard isFirst else { return }
        let queue = Queue(executor: self)
        startThread(named: name) { queue.drain() }
    }

    /// Has the thread end when there is nothing left to do; the next job begins another.
    package func rest() {
        state.withLock { $0.mayEnd = true }
        signal.post()
    }

    package func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    /// Keeps the executor alive for as long as its thread runs, which is as long as the program does when it may not rest.
    private struct Queue: Sendable {
        let executor: ThreadExecutor

        func drain() {
            while true {
                executor.signal.wait()
                let (job, isOver) = executor.state.withLock { state -> (UnownedJob?, Bool) in
                    guard state.jobs.isEmpty else { return (state.jobs.removeFirst(), false) }
                    guard state.mayEnd else { return (nil, false) }
                    (state.mayEnd, state.isRunning) = (false, false)
                    return (nil, true)
                }
                if isOver { return }
                job?.runSynchronously(on: executor.asUnownedSerialExecutor())
            }
        }
    }
}
