import Synchronization

/// A serial executor on one thread of its own: an actor that runs on it may block without holding anybody else.
package final class ThreadExecutor: SerialExecutor {
    private let jobs = Mutex<[UnownedJob]>([])
    private let signal = Signal()

    package init(name: String) {
        let jobs = Queue(executor: self)
        startThread(named: name) { jobs.drain() }
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        jobs.withLock { $0.append(unowned) }
        signal.post()
    }

    package func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    /// Keeps the executor alive for as long as its thread runs, which is as long as the program does.
    private struct Queue: Sendable {
        let executor: ThreadExecutor

        func drain() {
            while true {
                executor.signal.wait()
                let job = executor.jobs.withLock { $0.isEmpty ? nil : $0.removeFirst() }
                job?.runSynchronously(on: executor.asUnownedSerialExecutor())
            }
        }
    }
}
