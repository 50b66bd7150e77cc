internal import Delivery
internal import Diagnostics
internal import Glibc
internal import Subprocess
internal import Threads

/// Reads objects through one long-lived `git cat-file --batch`.
actor ObjectReader {
    /// One object of the store.
    struct Object: Sendable {
        /// Its full name, also when it was asked for by another.
        var name: String
        var kind: String
        var content: [UInt8]
    }

    private var git: GitProgram
    private let executor = ThreadExecutor(name: "objects")
    private var child: ChildProcess?
    private var buffer: [UInt8] = []
    /// The largest file that is read.
    private let sizeLimit = 16 * 1024 * 1024

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(git: GitProgram) { self.git = git }

    /// The process ended, or answered something else than was asked.
    private struct Lost: Error { var description: String }

    /// An object by its name; nil when the store has none.
    /// - Throws: `MirrorFault` when the mirror cannot be read, `Invalid` when the object is too large.
    func object(_ name: String) throws -> Object? {
        do {
            return try ask(name)
        } catch is Lost {
            // The process died; a new one answers.
            stop()
        }
        do {
            return try ask(name)
        } catch let lost as Lost {
            stop()
            throw MirrorFault(description: lost.description)
        }
    }

    /// Starts the process before there is a question, which then is answered the sooner.
    func getReady() { child = child ?? (try? start()) }

    /// Reads from another folder from now on.
    func read(_ folder: String) {
        guard git.folder != folder else { return }
        stop()
        git = GitProgram(settings: git.settings, folder: folder, askpass: git.askpass)
    }

    /// Ends the process; the next question starts another.
    func stop() {
        executor.rest()
        guard let child else { return }
        self.child = nil
        buffer = []
        Self.end(child)
    }

    deinit {
        executor.rest()
        if let child { Self.end(child) }
    }

    private static func end(_ child: ChildProcess) {
        child.closeInput()
        child.signal(SIGKILL)
        // One that waits for a file system that is away does not end before that answers.
        startThread(named: "reaper") { _ = child.wait() }
    }

    private func ask(_ name: String) throws -> Object? {
        let child = try self.child ?? start()
        self.child = child
        var question = Array("\(name)\n".utf8)[...]
        while !question.isEmpty {
            let count = question.withUnsafeBytes { write(child.input, $0.baseAddress, $0.count) }
            guard count > 0 else { throw lost(child) }
            question = question.dropFirst(count)
        }
        let header = String(decoding: try readLine(child), as: UTF8.self).split(separator: " ")
        if header.last == "missing" { return nil }
        guard header.count == 3, let size = Int(header[2]) else { throw lost(child) }
        guard size <= sizeLimit else {
            stop()
            throw Invalid(
                at: nil,
                "it has \(size) bytes, more than the \(sizeLimit) that are read",
                cure: "keep large files elsewhere"
            )
        }
        let content = Array(try read(size + 1, child).dropLast())
        return Object(name: String(header[0]), kind: String(header[1]), content: content)
    }

    private func start() throws -> ChildProcess {
        do {
            return try ChildProcess(git.reader)
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
        guard poll(&polled, 1, 30_000) > 0 else { throw lost(child) }
        let chunk = [UInt8](unsafeUninitializedCapacity: 64 * 1024) { chunk, count in
            count = max(0, Glibc.read(child.output, chunk.baseAddress, chunk.count))
        }
        guard !chunk.isEmpty else { throw lost(child) }
        buffer += chunk
    }

    /// What the process said last, as far as it can be had at once.
    private func lost(_ child: ChildProcess) -> Lost {
        _ = fcntl(child.error, F_SETFL, O_NONBLOCK)
        let words = [UInt8](unsafeUninitializedCapacity: 4096) { chunk, count in
            count = max(0, Glibc.read(child.error, chunk.baseAddress, chunk.count))
        }
        let line = String(decoding: words, as: UTF8.self).split(whereSeparator: \.isNewline).last ?? ""
        return Lost(description: line.isEmpty ? "git cat-file stopped answering" : String(line))
    }
}
