internal import Delivery
internal import Diagnostics
internal import Glibc
internal import Subprocess
internal import Threads

/// Reads objects through one long-lived `git cat-file --batch`.
actor ObjectReader {
    /// One object of the store.
    struct Object: Sendable {
        var kind: String
        var content: [UInt8]
    }

    private let git: GitProgram
    private let executor = ThreadExecutor(name: "objects")
    private var child: ChildProcess?
    private var buffer: [UInt8] = []
    /// The largest file that is read.
    private let sizeLimit = 16 * 1024 * 1024

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(git: GitProgram) { self.git = git }

    /// An object by its name; nil when the store has none.
    func object(_ name: String) throws -> Object? {
        do {
            return try ask(name)
        } catch let failure as Failure where failure.reason == .unavailable {
            // The process died; a new one answers.
            stop()
            return try ask(name)
        }
    }

    /// Ends the process; the next question starts another.
    func stop() {
        guard let child else { return }
        child.closeInput()
        child.signal(SIGTERM)
        _ = child.wait()
        self.child = nil
        buffer = []
    }

    private func ask(_ name: String) throws -> Object? {
        let child = try self.child ?? start()
        self.child = child
        var question = Array("\(name)\n".utf8)[...]
        while !question.isEmpty {
            let count = question.withUnsafeBytes { write(child.input, $0.baseAddress, $0.count) }
            guard count > 0 else { throw lost() }
            question = question.dropFirst(count)
        }
        let header = String(decoding: try readLine(child), as: UTF8.self).split(separator: " ")
        if header.last == "missing" { return nil }
        guard header.count == 3, let size = Int(header[2]) else { throw lost() }
        guard size <= sizeLimit else {
            stop()
            throw Invalid(
                at: nil,
                "it has \(size) bytes, more than the \(sizeLimit) that are read",
                cure: "keep large files elsewhere"
            )
        }
        let content = Array(try read(size + 1, child).dropLast())
        return Object(kind: String(header[1]), content: content)
    }

    private func start() throws -> ChildProcess {
        do {
            return try ChildProcess(git.command(["--git-dir", git.mirror, "cat-file", "--batch"]))
        } catch {
            throw Failure(.unavailable, "\(error)")
        }
    }

    private func readLine(_ child: ChildProcess) throws -> [UInt8] {
        while true {
            if let end = buffer.firstIndex(of: 0x0A) {
                let line = Array(buffer[..<end])
                buffer.removeSubrange(...end)
                return line
            }
            try fill(child)
        }
    }

    private func read(_ count: Int, _ child: ChildProcess) throws -> [UInt8] {
        while buffer.count < count { try fill(child) }
        let bytes = Array(buffer[..<count])
        buffer.removeSubrange(..<count)
        return bytes
    }

    private func fill(_ child: ChildProcess) throws {
        var polled = [pollfd(fd: child.output, events: Int16(POLLIN), revents: 0)]
        guard poll(&polled, 1, 30_000) > 0 else { throw lost() }
        let chunk = [UInt8](unsafeUninitializedCapacity: 64 * 1024) { chunk, count in
            count = max(0, Glibc.read(child.output, chunk.baseAddress, chunk.count))
        }
        guard !chunk.isEmpty else { throw lost() }
        buffer += chunk
    }

    private func lost() -> Failure { Failure(.unavailable, "git cat-file stopped answering") }
}
