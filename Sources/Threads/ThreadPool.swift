internal import Glibc
import Synchronization

/// Threads for calls that block in C (libcurl, waitpid, pipes), which must never hold Swift's cooperative pool.
///
/// Threads start when there is work and none is idle, up to the pool's width, and stay.
package final class ThreadPool: Sendable {
    private let state: Mutex<State>
    private let signal = Signal()
    private let width: Int

    private struct State {
        var jobs: [@Sendable () -> Void] = []
        var idle = 0
        var threads = 0
    }

    /// - Parameter width: How many calls may block at once.
    package init(width: Int) {
        self.width = width
        state = Mutex(State())
    }

    /// Runs a blocking call on one of the pool's threads.
    package func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            submit { continuation.resume(with: Result { try body() }) }
        }
    }

    private func submit(_ job: @escaping @Sendable () -> Void) {
        let startsThread = state.withLock { state in
            state.jobs.append(job)
            guard state.idle < state.jobs.count, state.threads < width else { return false }
            state.threads += 1
            return true
        }
        if startsThread { startThread(named: "pool") { self.work() } }
        signal.post()
    }

    private func work() {
        while true {
            state.withLock { $0.idle += 1 }
            signal.wait()
            let job = state.withLock { state in
                state.idle -= 1
                return state.jobs.isEmpty ? nil : state.jobs.removeFirst()
            }
            job?()
        }
    }
}

/// A counting semaphore of the system's, for threads outside Swift's pool.
package final class Signal: Sendable {
    // SAFETY: a sem_t is made to be used from many threads at once; the pointer never changes.
    private nonisolated(unsafe) let semaphore: UnsafeMutablePointer<sem_t>

    package init() {
        semaphore = .allocate(capacity: 1)
        sem_init(semaphore, 0, 0)
    }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    package func post() { sem_post(semaphore) }

    package func wait() {
        while sem_wait(semaphore) != 0 {}
    }
}

/// Starts a detached thread that runs the body and ends with it.
package func startThread(named name: String, _ body: @escaping @Sendable () -> Void) {
    final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    pthread_attr_setstacksize(&attributes, 512 * 1024)
    defer { pthread_attr_destroy(&attributes) }
    var thread = pthread_t()
    let context = Unmanaged.passRetained(Box(body)).toOpaque()
    let failure = pthread_create(
        &thread,
        &attributes,
        { context in
            guard let context else { return nil }
            Unmanaged<Box>.fromOpaque(context).takeRetainedValue().body()
            return nil
        },
        context
    )
    precondition(failure == 0, "the system refuses a thread (\(name)): \(String(cString: strerror(failure)))")
}
