internal import Delivery
internal import Files
internal import Glibc
internal import Quadlet
internal import Subprocess

/// Copies data that may belong to anybody: tar, as root where that is needed and allowed.
struct Archive: Sendable {
    private static let environment = ["PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]

    /// Runs a program as root: as it is when this is root, else by sudo if that asks for no password.
    @discardableResult
    static func asRoot(_ words: [String], timeout: Duration = .seconds(3600)) async throws -> Completion {
        let sudo = geteuid() == 0 ? [] : try await canBecomeRoot() ? ["sudo", "-n"] : []
        let all = sudo + words
        let answer = try await run(
            Command(all[0], Array(all.dropFirst()), environment: environment, timeout: timeout)
        )
        guard answer.code == 0 else {
            let hint = geteuid() != 0 && sudo.isEmpty ? "; run it as root, or allow sudo without a password" : ""
            throw Failure(.refused, "\(words[0]): \(answer.errorText.prefix(400))\(hint)")
        }
        return answer
    }

    private static func canBecomeRoot() async throws -> Bool {
        (try? await run(Command("sudo", ["-n", "true"], environment: environment)))?.code == 0
    }

    /// Packs a folder with owners and modes, and writes the archive's SHA-256 beside it.
    static func pack(_ folders: [String], to file: String) async throws {
        try makeFolder(folder(of: file), mode: 0o700)
        let sources =
            folders.count == 1 ? ["-C", folders[0], "."] : ["-C", "/"] + folders.map { String($0.dropFirst()) }
        try await asRoot(["tar", "--numeric-owner", "--xattrs", "-cf", file] + sources)
        if geteuid() != 0 { try await asRoot(["chown", "\(getuid()):\(getgid())", file]) }
        try setMode(file, 0o600)
        let sum = try await run(Command("sha256sum", [file], environment: environment, timeout: .seconds(3600)))
        guard sum.code == 0 else { throw Failure(.unavailable, "sha256sum: \(sum.errorText)") }
        try replaceFile("\(file).sha256", with: sum.output, mode: 0o600)
    }

    /// Makes a Podman volume anew with an archive's content; owners are those inside the container.
    static func unpack(_ file: String, into volume: String, _ platform: NodePlatform, isRoot: Bool) async throws {
        func podman(_ words: [String]) async throws -> Completion {
            let answer = try await platform.podman(words, timeout: .seconds(3600))
            guard answer.code == 0 else { throw Failure(.refused, "podman \(words[0]): \(answer.errorText)") }
            return answer
        }
        _ = try await podman(["volume", "create", volume])
        let place = try await podman(["volume", "inspect", "--format", "{{.Mountpoint}}", volume]).outputText
        let path = String(place.prefix { !$0.isNewline })
        let tar = ["tar", "--numeric-owner", "-C", path, "-xpf", file]
        if isRoot { try await asRoot(tar) } else { _ = try await podman(["unshare"] + tar) }
    }
}
