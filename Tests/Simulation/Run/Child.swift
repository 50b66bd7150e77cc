import Glibc

/// This program, run once more as a process of its own.
final class Child {
    let arguments: [String]
    private(set) var output = ""
    private let process: pid_t
    let descriptor: Int32
    private var bytes: [UInt8] = []

    init?(_ arguments: [String]) {
        self.arguments = arguments
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { return nil }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_addclose(&actions, ends[0])
        posix_spawn_file_actions_addclose(&actions, ends[1])
        var words: [UnsafeMutablePointer<CChar>?] = (["simulate"] + arguments).map { strdup($0) }
        words.append(nil)
        defer { for word in words { free(word) } }
        var process: pid_t = 0
        let result = posix_spawn(&process, "/proc/self/exe", &actions, nil, words, environ)
        close(ends[1])
        guard result == 0 else {
            close(ends[0])
            return nil
        }
        self.process = process
        descriptor = ends[0]
    }

    /// Reads what is there; false when the process has ended.
    func read() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = Glibc.read(descriptor, &buffer, buffer.count)
        guard count > 0 else { return false }
        bytes += buffer.prefix(count)
        return true
    }

    /// Waits for the end.
    /// - Returns: Zero for success, the signal's number plus 128 when one ended it.
    func finish() -> Int32 {
        while read() {}
        close(descriptor)
        output = String(decoding: bytes, as: UTF8.self)
        var status: Int32 = 0
        waitpid(process, &status, 0)
        let signal = status & 0x7F
        return signal == 0 ? (status >> 8) & 0xFF : 128 + signal
    }

    /// Runs children, a few at a time, and hands over each as it ends with its status.
    static func run(_ all: [[String]], atOnce width: Int, _ ended: (Child, Int32) -> Void) {
        var waiting = all[...]
        var running: [Child] = []
        while !waiting.isEmpty || !running.isEmpty {
            while running.count < width, let next = waiting.popFirst() {
                if let child = Child(next) { running.append(child) }
            }
            var polled = running.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
            guard poll(&polled, nfds_t(polled.count), -1) > 0 else { continue }
            for (child, state) in zip(running, polled) where state.revents != 0 && !child.read() {
                running.removeAll { $0 === child }
                ended(child, child.finish())
            }
        }
    }
}
