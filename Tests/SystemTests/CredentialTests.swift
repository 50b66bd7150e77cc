import Subprocess
import TestSupport
import Testing

/// A repository behind a real HTTPS server that asks for a name and a password.
@Suite struct CredentialTests {
    private func plan(password: String, folder: String = "git") async throws -> (result: Completion, secrets: String) {
        let scratch = try Scratch()
        try await shell(["chmod", "755", scratch.path])
        let port = freePort()
        let rig = "\(scratch.path)/rig"
        try await shell(["mkdir", "-p", "\(rig)/repositories"])
        let repository = try await TestRepository(at: "\(rig)/repositories/fleet")
        try await repository.commit(["stacks.yml": "stacks: []\n"])
        try scratch.write("\(password)\n", to: "password")
        try scratch.write(
            """
            sources:
              - name: fleet
                url: https://localhost:\(port)/\(folder)/fleet/.git
                username: bot
                password_file: \(scratch.path)/password
            targets: [{name: default, endpoint: '\(try sharedEngine())'}]
            store: \(scratch.path)/store
            """,
            to: "config.yml"
        )
        try await shell(["\(checkout)/Rigs/git-https.sh", "start", rig, "\(port)"])
        let words = ["\(checkout)/.build/debug/hecate", "plan", "--config", "\(scratch.path)/config.yml"]
        let result = try await execute(words, environment: ["GIT_SSL_CAINFO": "\(rig)/ca.pem"])
        try await shell(["\(checkout)/Rigs/git-https.sh", "stop", rig])
        let found = try await execute(["grep", "-rl", password, "\(scratch.path)/store", "--include=*"])
        return (result, found.outputText)
    }

    @Test func theRightPasswordLetsIn() async throws {
        let (result, secrets) = try await plan(password: "hush")
        #expect(result.code == 0, "\(result.errorText)")
        #expect(secrets.isEmpty, "the password is kept in \(secrets)")
    }

    @Test func theWrongOneIsRefusedByNameAndNotShown() async throws {
        let (result, _) = try await plan(password: "loudly")
        #expect(result.code == 1)
        #expect(
            result.errorText.contains("refuses the credentials")
                && result.errorText.contains("check username, password"),
            "\(result.errorText)"
        )
        #expect(!result.errorText.contains("loudly"))
    }

    @Test func aServerThatSendsElsewhereDoesNotGetThePassword() async throws {
        let (result, _) = try await plan(password: "hush", folder: "elsewhere")
        #expect(result.code == 1, "the password went to another host: \(result.outputText)")
        #expect(result.errorText.contains("refuses the credentials"), "\(result.errorText)")
    }
}
