internal import CSpawn
internal import Glibc
import Synchronization
internal import Threads

/// A program to run: an executable, its arguments and its whole environment.
///
/// No shell is ever involved.
package struct Command: Sendable {
    /// A path, or a name looked up in `PATH`.
    package var executable: String
    package var arguments: [String]
    /// The program's whole environment; nothing is inherited.
    package var environment: [String: String]
    package var directory: String?
    package var input: [UInt8]
    /// When the program and its whole process group are killed.
    package var timeout: Duration
    /// The most bytes either output may have.
    package var outputLimit: Int

    package init(
        _ executable: String,
        _ arguments: [String],
        environment: [String: String] = [:],
        directory: String? = nil,
        input: [UInt8] = [],
        timeout: Duration = .seconds(60),
        outputLimit: Int = 16 * 1024 * 1024
    ) {
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
        self.directory = directory
        self.input = input
        self.timeout = timeout
        self.outputLimit = outputLimit
    }
}

/// How a program ended and what it wrote.
package struct Completion: Sendable {
    /// The exit code, or 128 plus the number of the signal that ended it.
    package var code: Int
    package var output: [UInt8]
    package var error: [UInt8]

    package init(code: Int, output: [UInt8], error: [UInt8]) {
        self.code = code
        self.output = output
        self.error = error
    }

    package var outputText: String { String(decoding: output, as: UTF8.self) }
    package var errorText: String { String(decoding: error, as: UTF8.self) }
}

/// A program that could not be started or did not keep its bounds.
package struct SubprocessError: Error, Sendable, CustomStringConvertible {
    /// What went wrong.
    package enum Reason: Sendable {
        case notFound, notStarted, timedOut, tooMuchOutput, cancelled
    }
    package var reason: Reason
    package var description: String
}

private let pool = ThreadPool(width: 64)

/// Runs a program to its end.
///
/// Past the deadline, and when the task is cancelled, the program's process group is sent SIGTERM and, two seconds
/// later, SIGKILL.
/// - Throws: `SubprocessError` when it cannot be started, passes its deadline or writes too much.
package func run(_ command: Command) async throws -> Completion {
    let cancellation = Cancellation()
    return try await withTaskCancellationHandler {
        try await pool.run { try Execution(command, cancellation: cancellation).finish() }
    } onCancel: {
        cancellation.cancel()
    }
}

/// A pipe that becomes readable when a task is cancelled.
private final class Cancellation: Sendable {
    let readEnd: Int32
    private let writeEnd: Int32

    init() {
        var ends: [Int32] = [-1, -1]
        hecate_pipe(&ends)
        (readEnd, writeEnd) = (ends[0], ends[1])
    }

    func cancel() { _ = write(writeEnd, "x", 1) }

    deinit {
        close(readEnd)
        close(writeEnd)
    }
}

/// A started program with pipes on its three standard streams.
package final class ChildProcess: Sendable {
    package let pid: Int32
    package let input: Int32
    package let output: Int32
    package let error: Int32
    private let inputIsClosed = Mutex(false)

    /// - Throws: `SubprocessError` when the program is not found or the system refuses to start it.
    package init(_ command: Command) throws {
        ignoreBrokenPipes()
        let path = try Self.locate(command)
        var pipes: [[Int32]] = []
        for _ in 0..<3 {
            var ends: [Int32] = [-1, -1]
            guard hecate_pipe(&ends) == 0 else {
                for end in pipes.joined() { close(end) }
                throw SubprocessError(reason: .notStarted, description: "no more file descriptors")
            }
            pipes.append(ends)
        }
        let arguments = ([path] + command.arguments).map { strdup($0) } + [nil]
        let environment = command.environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in arguments + environment { free(text) } }

        var pid: pid_t = 0
        let failure = hecate_spawn(
            path,
            arguments,
            environment,
            command.directory,
            pipes[0][0],
            pipes[1][1],
            pipes[2][1],
            &pid
        )
        close(pipes[0][0])
        close(pipes[1][1])
        close(pipes[2][1])
        self.pid = pid
        (input, output, error) = (pipes[0][1], pipes[1][0], pipes[2][0])
        guard failure == 0 else {
            let reason = String(cString: strerror(failure))
            throw SubprocessError(reason: .notStarted, description: "cannot start '\(command.executable)': \(reason)")
        }
    }

    /// Signals the program and everything it started.
    package func signal(_ number: Int32) { kill(-pid, number) }

    /// Waits for the program to end; it must have been told to, or be at its end.
    package func wait() -> Int {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        let signal = status & 0x7f
        return Int(signal == 0 ? (status >> 8) & 0xff : 128 + signal)
    }

    /// Tells the program that no more input comes.
    package func closeInput() {
        inputIsClosed.withLock { isClosed in
            if !isClosed { close(input) }
            isClosed = true
        }
    }

    deinit {
        closeInput()
        close(output)
        close(error)
    }

    private static func locate(_ command: Command) throws -> String {
        if command.executable.contains("/") { return command.executable }
        let search = command.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        for directory in search.split(separator: ":") {
            let path = "\(directory)/\(command.executable)"
            if access(path, X_OK) == 0 { return path }
        }
        throw SubprocessError(
            reason: .notFound,
            description: "'\(command.executable)' is not installed (looked in \(search))"
        )
    }
}

private func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }

/// One run of a program: feeds its input and reads both outputs until it ends or must be ended.
private final class Execution {
    private let command: Command
    private let child: ChildProcess
    private let cancellation: Cancellation

    init(_ command: Command, cancellation: Cancellation) throws {
        self.command = command
        self.cancellation = cancellation
        child = try ChildProcess(command)
    }

    func finish() throws -> Completion {
        let deadline = ContinuousClock.now + command.timeout
        var outputs: [Int32: [UInt8]] = [child.output: [], child.error: []]
        var open: Set<Int32> = [child.output, child.error]
        var pending = command.input[...]
        var writes = !pending.isEmpty
        _ = fcntl(child.input, F_SETFL, O_NONBLOCK)
        if pending.isEmpty { child.closeInput() }

        while !open.isEmpty {
            let left = try timeLeft(until: deadline)
            var polled = open.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            polled.append(pollfd(fd: cancellation.readEnd, events: Int16(POLLIN), revents: 0))
            if writes { polled.append(pollfd(fd: child.input, events: Int16(POLLOUT), revents: 0)) }
            let milliseconds = min(left.components.seconds * 1000 + 1000, 60_000)
            guard poll(&polled, UInt(polled.count), Int32(milliseconds)) >= 0 else { continue }
            for entry in polled where entry.revents != 0 {
                if entry.fd == cancellation.readEnd {
                    throw cancelled()
                } else if entry.fd == child.input {
                    let count = pending.withUnsafeBytes { write(child.input, $0.baseAddress, $0.count) }
                    if count > 0 { pending = pending.dropFirst(count) }
                    if count < 0 && errno != EAGAIN || pending.isEmpty {
                        child.closeInput()
                        writes = false
                    }
                } else if let bytes = readAvailable(entry.fd) {
                    outputs[entry.fd, default: []] += bytes
                    if outputs[entry.fd, default: []].count > command.outputLimit {
                        end()
                        throw SubprocessError(
                            reason: .tooMuchOutput,
                            description: "'\(command.executable)' wrote more than \(command.outputLimit) bytes"
                        )
                    }
                } else {
                    open.remove(entry.fd)
                }
            }
        }
        try awaitEnd(until: deadline)
        let code = child.wait()
        return Completion(code: code, output: outputs[child.output] ?? [], error: outputs[child.error] ?? [])
    }

    /// A program that has closed its outputs may go on for long; deadline and cancellation hold for it as well.
    private func awaitEnd(until deadline: ContinuousClock.Instant) throws {
        let pidfd = hecate_pidfd(child.pid)
        guard pidfd >= 0 else { return }
        defer { close(pidfd) }
        while true {
            let left = try timeLeft(until: deadline)
            var polled = [
                pollfd(fd: pidfd, events: Int16(POLLIN), revents: 0),
                pollfd(fd: cancellation.readEnd, events: Int16(POLLIN), revents: 0),
            ]
            let milliseconds = min(left.components.seconds * 1000 + 1000, 60_000)
            guard poll(&polled, 2, Int32(milliseconds)) >= 0 else { continue }
            if polled[0].revents != 0 { return }
            if polled[1].revents != 0 { throw cancelled() }
        }
    }

    private func timeLeft(until deadline: ContinuousClock.Instant) throws -> Duration {
        let left = deadline - .now
        guard left <= .zero else { return left }
        end()
        throw SubprocessError(
            reason: .timedOut,
            description: "'\(command.executable)' did not end within \(command.timeout) and was killed"
        )
    }

    private func cancelled() -> SubprocessError {
        end()
        return SubprocessError(reason: .cancelled, description: "'\(command.executable)' was cancelled")
    }

    /// Ends the process group: SIGTERM, two seconds of grace, SIGKILL.
    private func end() {
        child.signal(SIGTERM)
        let pidfd = hecate_pidfd(child.pid)
        if pidfd >= 0 {
            var polled = [pollfd(fd: pidfd, events: Int16(POLLIN), revents: 0)]
            poll(&polled, 1, 2000)
            close(pidfd)
        }
        child.signal(SIGKILL)
        _ = child.wait()
    }

    private func readAvailable(_ descriptor: Int32) -> [UInt8]? {
        let bytes = [UInt8](unsafeUninitializedCapacity: 64 * 1024) { buffer, count in
            count = max(0, read(descriptor, buffer.baseAddress, buffer.count))
        }
        return bytes.isEmpty ? nil : bytes
    }
}
