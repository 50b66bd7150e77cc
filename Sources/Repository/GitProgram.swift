internal import Delivery
internal import Glibc
internal import Subprocess

/// Runs the `git` program against one repository with everything about the process pinned down: no prompt, no other
/// transport than https, ssh, git and file, no configuration but ours, credentials never in an argument or a URL.
struct GitProgram: Sendable {
    let settings: GitSettings
    /// The folder of the repository that the program works on: a mirror's, or one of this machine that is read where it lies.
    let folder: String
    /// A program that hands the credentials in its environment to git, and so keeps them out of everything listed.
    let askpass: String

    /// Runs git and gives what it printed.
    /// - Throws: `Failure` with git's own words, sorted into what happens next; `MirrorFault` when it is the mirror's.
    func callAsFunction(_ arguments: [String], timeout: Duration? = nil) async throws -> String {
        let command = command(arguments, timeout: timeout)
        let completion: Completion
        do {
            completion = try await run(command)
        } catch let error as SubprocessError where error.reason == .cancelled {
            throw CancellationError()
        } catch let error as SubprocessError where error.reason == .notFound {
            throw Failure(.notFound, "\(error); install git", next: .needsChange)
        } catch let error as SubprocessError where error.reason == .timedOut {
            throw Failure(
                .unavailable,
                "\(publicURL(settings.url)): \(error); the server stopped answering: see that it can be reached"
            )
        } catch let error as SubprocessError {
            throw Failure(.unavailable, "\(publicURL(settings.url)): \(error)")
        }
        guard completion.code == 0 else {
            if arguments.contains(folder) { try blameMirror(completion.errorText) }
            throw failure(completion)
        }
        return completion.outputText
    }

    func command(_ arguments: [String], timeout: Duration? = nil) -> Command {
        let fixed = [
            "-c", "protocol.allow=never", "-c", "protocol.https.allow=always", "-c", "protocol.ssh.allow=always",
            "-c", "protocol.git.allow=always", "-c", "protocol.file.allow=always", "-c", "credential.helper=",
            "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0", "-c", "http.followRedirects=initial",
            "-c", "safe.directory=*",
        ]
        return Command(
            "git",
            fixed + arguments,
            environment: environment,
            directory: "/",
            timeout: timeout ?? settings.timeout
        )
    }

    /// The long-lived process that reads objects.
    ///
    /// It reaches nothing else, whatever the repository's own configuration says, and has no credentials to give away: a
    /// repository that has only a part of its objects would otherwise have git fetch the rest, with the program its
    /// configuration names.
    var reader: Command {
        var command = command(["--git-dir", folder, "--no-replace-objects", "cat-file", "--batch"])
        for name in ["HECATE_GIT_USERNAME", "HECATE_GIT_PASSWORD", "HECATE_GIT_HOST"] {
            command.environment[name] = nil
        }
        command.environment["GIT_ALLOW_PROTOCOL"] = "none"
        command.environment["GIT_NO_LAZY_FETCH"] = "1"
        return command
    }

    /// What git is told of an address on this machine.
    ///
    /// The repository may be another user's, and whoever configured it here meant it; the program that serves it does not hear
    /// what this one is told.
    func local(_ address: String) -> [String] {
        address.hasPrefix("/") || address.hasPrefix("file://")
            ? ["--upload-pack=git -c 'safe.directory=*' upload-pack"] : []
    }

    private var environment: [String: String] {
        var variables = [
            "PATH": inherited("PATH") ?? "/usr/local/bin:/usr/bin:/bin",
            "HOME": "/nonexistent",
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": askpass,
            // The controller itself is the askpass program; this variable tells it so.
            "HECATE_ASKPASS": "1",
            "SSH_ASKPASS": askpass,
            "SSH_ASKPASS_REQUIRE": "never",
            "GIT_SSH_COMMAND": sshCommand,
            "GIT_OPTIONAL_LOCKS": "0",
        ]
        for name in ["HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "GIT_SSL_CAINFO"] {
            if let value = inherited(name) { variables[name] = value }
        }
        if let username = settings.username { variables["HECATE_GIT_USERNAME"] = username }
        if let password = settings.password { variables["HECATE_GIT_PASSWORD"] = password }
        // A server that redirects elsewhere does not get the credentials of this one.
        variables["HECATE_GIT_HOST"] = host(of: settings.url)
        return variables
    }

    private var sshCommand: String {
        var words = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15"]
        if let key = settings.sshKey { words += ["-i", quoted(key), "-o", "IdentitiesOnly=yes"] }
        if let hosts = settings.knownHosts { words += ["-o", "UserKnownHostsFile=\(quoted(hosts))"] }
        return (words + ["-o", "StrictHostKeyChecking=yes"]).joined(separator: " ")
    }

    private func quoted(_ path: String) -> String { "'" + path.replacing("'", with: "'\\''") + "'" }

    private func inherited(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    /// Throws when the fault lies on this side, with the mirror or the disk it is on.
    private func blameMirror(_ text: String) throws {
        let lowered = text.lowercased()
        let line = text.split(whereSeparator: \.isNewline).last.map(String.init) ?? text
        let isLocal = text.contains(folder)
        let refusals = ["no space left on device", "read-only file system", "disk quota exceeded"]
        if lowered.contains("insufficient permission for adding an object")
            || isLocal && lowered.contains("permission denied") || refusals.contains(where: { lowered.contains($0) })
        {
            throw Mirror(path: folder).refused("git says '\(redact(line))'")
        }
        if MirrorFault.isNamed(in: text) { throw MirrorFault(description: redact(line)) }
    }

    /// Sorts git's complaint: what is missing for good, what a person must mend, what may pass.
    private func failure(_ completion: Completion) -> Failure {
        let text = redact(completion.errorText)
        let lowered = text.lowercased()
        let line =
            text.split(whereSeparator: \.isNewline).first { $0.hasPrefix("fatal:") || $0.hasPrefix("ERROR:") }
            .map { String($0).replacing("fatal: ", with: "") } ?? text
        let place = publicURL(settings.url)
        func says(_ words: String...) -> Bool { words.contains { lowered.contains($0) } }
        if says(
            "authentication failed",
            "could not read username",
            "could not read password",
            "permission denied",
            "terminal prompts disabled",
            "403",
            "401"
        ) {
            return Failure(
                .authenticationFailed,
                "\(place): the server refuses the credentials (\(line)); check username, password and ssh_key of '\(settings.name)'"
            )
        }
        if says("host key verification failed") {
            return Failure(
                .authenticationFailed,
                "\(place): the server's host key is not known; add it to known_hosts of '\(settings.name)' (ssh-keyscan shows it)"
            )
        }
        if says("transport 'ext' not allowed", "not allowed") {
            return Failure(
                .refused,
                "\(place): only https, ssh, git and file are allowed (\(line))",
                next: .needsChange
            )
        }
        if says("not found", "does not appear to be a git repository", "does not exist", "no such file or directory") {
            return Failure(.notFound, "\(place): there is no such repository (\(line))", next: .needsChange)
        }
        return Failure(.unavailable, "\(place): \(line.isEmpty ? "git exited with \(completion.code)" : line)")
    }

    private func redact(_ text: String) -> String {
        guard let password = settings.password, !password.isEmpty else { return text }
        return text.replacing(password, with: "[secret]")
    }
}

/// The host of an address, with its port, as git names it when it asks for credentials.
package func host(of url: String) -> String {
    guard let scheme = url.range(of: "://") else { return "" }
    let authority = url[scheme.upperBound...].prefix { $0 != "/" }
    return String(authority.split(separator: "@").last ?? "")
}
