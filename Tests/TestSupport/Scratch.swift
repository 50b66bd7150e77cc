package import Subprocess
internal import Glibc

/// The root of the checkout.
package let checkout: String = {
    let parts = #filePath.split(separator: "/").dropLast(3)
    return "/" + parts.joined(separator: "/")
}()

/// Something a test needed and did not get.
package struct Unmet: Error, CustomStringConvertible {
    package var description: String
    package init(_ description: String) { self.description = description }
}

/// A folder that is removed with the value that owns it.
package final class Scratch: Sendable {
    package let path: String

    package init() throws {
        var template = Array("/tmp/hecate-test-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else {
            throw Unmet("no temporary folder: \(String(cString: strerror(errno)))")
        }
        path = String(cString: made)
    }

    deinit {
        var pid: pid_t = 0
        let words = ["/bin/rm", "-rf", path]
        var arguments = words.map { strdup($0) } + [nil]
        posix_spawn(&pid, "/bin/rm", nil, nil, &arguments, nil)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        for argument in arguments { free(argument) }
    }

    /// Writes a file below the folder, making the folders it lies in.
    package func write(_ text: String, to name: String) throws { try writeFile(text, to: "\(path)/\(name)") }
}

/// Writes a file, making the folders it lies in.
package func writeFile(_ text: String, to path: String) throws {
    var folder = ""
    for part in path.split(separator: "/").dropLast() {
        folder += "/\(part)"
        mkdir(folder, 0o755)
    }
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw Unmet("cannot write \(path): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 else { throw Unmet("cannot write \(path)") }
        rest = rest.dropFirst(count)
    }
}

/// A file's text, or nil.
package func fileText(_ path: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
        let count = fread(&chunk, 1, chunk.count, file)
        if count == 0 { return String(decoding: bytes, as: UTF8.self) }
        bytes += chunk[..<count]
    }
}

/// Whether there is a program at the path.
package func isProgram(_ path: String) -> Bool { access(path, X_OK) == 0 }

/// A variable of the environment the tests run in.
package func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

/// Runs a program and gives what it wrote; throws when it fails.
@discardableResult
package func shell(
    _ words: [String],
    environment: [String: String] = [:],
    directory: String? = nil,
    timeout: Duration = .seconds(120)
) async throws -> String {
    let result = try await execute(words, environment: environment, directory: directory, timeout: timeout)
    guard result.code == 0 else {
        throw Unmet(
            "\(words.joined(separator: " ")) exited with \(result.code): \(result.errorText)\(result.outputText)"
        )
    }
    return result.outputText
}

/// Runs a program and gives how it ended.
package func execute(
    _ words: [String],
    environment: [String: String] = [:],
    directory: String? = nil,
    timeout: Duration = .seconds(120)
) async throws -> Completion {
    var variables = ["PATH": variable("PATH") ?? "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/tmp", "LC_ALL": "C"]
    for (name, value) in environment { variables[name] = value }
    return try await Subprocess.run(
        Command(words[0], Array(words.dropFirst()), environment: variables, directory: directory, timeout: timeout)
    )
}

/// A Git repository of a test's own.
package struct TestRepository: Sendable {
    package let path: String

    package init(at path: String) async throws {
        self.path = path
        try await shell(["git", "init", "-q", "-b", "main", path])
    }

    package func git(_ words: String...) async throws {
        let identity = [
            "GIT_AUTHOR_NAME": "Anna", "GIT_AUTHOR_EMAIL": "anna@example.org", "GIT_COMMITTER_NAME": "Anna",
            "GIT_COMMITTER_EMAIL": "anna@example.org",
        ]
        try await shell(["git", "-C", path] + words, environment: identity)
    }

    /// Writes files and commits everything.
    package func commit(_ files: [String: String] = [:], _ subject: String = "Change") async throws {
        for (name, text) in files { try writeFile(text, to: "\(path)/\(name)") }
        try await git("add", "-A")
        try await git("commit", "-q", "--allow-empty", "-m", subject)
    }

    package func head() async throws -> String {
        trimmedLine(try await shell(["git", "-C", path, "rev-parse", "HEAD"]))
    }
}

package func trimmedLine(_ text: String) -> String { String(text.prefix { $0 != "\n" }) }
