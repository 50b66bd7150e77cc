import JSON
import Subprocess
import TestSupport
import Testing

/// The commands that need no Engine.
@Suite struct CommandTests {
    private let binary = "\(checkout)/.build/debug/hecate"

    private func check(_ files: [String: String], _ words: String...) async throws -> Completion {
        let scratch = try Scratch()
        for (name, text) in files { try scratch.write(text, to: name) }
        return try await execute([binary, "check", scratch.path] + words)
    }

    @Test func everyCommandOfTheOverviewHasHelpOfItsOwn() async throws {
        let overview = try await execute([binary, "help"]).outputText
        let lines = overview.split(separator: "\n").filter { $0.hasPrefix("  ") && !$0.hasPrefix("  --") }
        #expect(lines.count > 30)
        for line in lines {
            let words = line.split(separator: " ").prefix { $0.allSatisfy { $0.isLowercase || $0.isNumber } }
            // What is no word of the command any more belongs to its summary.
            let name = Array(words.map(String.init).prefix(2))
            let two = try await execute([binary] + name + ["--help"])
            let help = two.code == 0 ? two : try await execute([binary, name[0], "--help"])
            #expect(help.code == 0 && help.outputText.contains("Usage: hecate \(name[0])"), "\(line)")
            #expect(help.outputText.contains("Example:"), "\(line)")
        }
        #expect(try await execute([binary, "help", "plan"]).outputText.contains("Usage: hecate plan"))
        #expect(try await execute([binary, "help", "pln"]).errorText.contains("did you mean 'plan'?"))
    }

    @Test func checkTellsEverythingWithItsPlace() async throws {
        let files = [
            "stacks.yml":
                "stacks:\n  - {name: a, compose_file: a.yml}\n  - {name: b, compose_file: b.yml, enabeld: true}\n",
            "a.yml": "services:\n  web:\n    image: x\n    prots: [80]\n",
        ]
        let text = try await check(files)
        #expect(text.code == 1)
        #expect(text.outputText.contains("a.yml:4:5: unknown key 'prots' in service 'web'; did you mean 'ports'?"))
        #expect(
            text.outputText.contains("stacks.yml:3:36: unknown key 'enabeld' in stack 'b'; did you mean 'enabled'?")
        )
        let github = try await check(files, "--format", "github")
        #expect(
            github.outputText.contains(
                "::error file=a.yml,line=4,col=5::unknown key 'prots' in service 'web'; did you mean 'ports'?"
            )
        )
        let json = try JSON(parsing: try await check(files, "--format", "json").output)
        #expect(json.array?.count == 2)
        #expect(json.array?.contains { $0["line"]?.int == 4 && $0["file"]?.string == "a.yml" } == true)
    }

    @Test func checkPassesWhatIsRight() async throws {
        let files = [
            "stacks.yml": "stacks: [{name: a, compose_file: a.yml}]",
            "a.yml": "services: {web: {image: x, restart: always}}",
        ]
        #expect(try await check(files).code == 0)
        #expect(try await check(files, "--strict").code == 2)
    }

    @Test func checkTakesTheConfigurationsBindRootAndVariables() async throws {
        let files = [
            "stacks.yml": "stacks: [{name: a, compose_file: a.yml}]",
            "a.yml": "services: {web: {image: 'x:${TAG:?set it}', volumes: ['./data:/data']}}",
            "hecate.yml": "git: {url: /fleet, password_file: /none}\nvariables: {TAG: 1}\nbind_root: /mnt/files\n",
        ]
        let scratch = try Scratch()
        for (name, text) in files { try scratch.write(text, to: name) }
        let configuration = "\(scratch.path)/hecate.yml"
        let with = try await execute([binary, "check", scratch.path, "--config", configuration])
        #expect(with.code == 0 && with.outputText.contains("is '/mnt/files/data'"), "\(with.outputText)")
        let plain = files["a.yml"]?.replacing(":${TAG:?set it}", with: "") ?? ""
        try scratch.write(plain, to: "a.yml")
        let without = try await execute([binary, "check", scratch.path])
        #expect(without.code == 0 && without.outputText.contains("is '/var/lib/hecate/files/data'"))
    }

    @Test func encryptedFilesNeedAKey() async throws {
        let files = [
            "stacks.yml": "stacks: [{name: a, compose_file: a.yml}]", "a.yml": "services: {web: {image: x}}",
            "env/a.env.sops": "x",
        ]
        let result = try await check(files)
        #expect(
            result.code == 1 && result.outputText.contains("'env/a.env.sops' is encrypted with SOPS and needs a key")
        )
    }

    @Test func aRepositoryOfUnitsIsCheckedWithoutPodman() async throws {
        let scratch = try Scratch()
        let units = "\(scratch.path)/quadlet"
        try writeFile("[Container]\nImage=web:1.2.0\n", to: "\(units)/system/web.container")
        let hecate = "\(checkout)/.build/debug/hecate"
        #expect(try await execute([hecate, "check", scratch.path]).code == 0)
        try writeFile(
            "[Container]\nImage=web:latest\nEnvironmnt=A=1\nEnvironmentFile=%h/.hecate/gitops/apps/none.env\n",
            to: "\(units)/apps/inner/web.container"
        )
        let result = try await execute([hecate, "check", scratch.path])
        #expect(result.code == 1)
        for expected in [
            "system/web.container: 'web.container' stands twice; the other is", "apps/inner/web.container; remove or",
            "web.container:3:1: unknown key 'Environmnt' in [Container]",
            "did you mean 'Environment'?", "names 'apps/none.env', which the repository does not have",
            "web.container:2:1: warning: the image 'web:latest' moves under its tag",
        ] {
            #expect(result.outputText.contains(expected), "\(expected): \(result.outputText)")
        }
    }

    @Test func aMissingStacksFileIsNamed() async throws {
        #expect(try await check([:]).outputText.contains("stacks.yml: there is no file 'stacks.yml'; check the path"))
    }

    @Test func usageAndHelp() async throws {
        #expect(try await execute([binary, "pln"]).code == 64)
        let overview = try await execute([binary, "help"]).outputText
        for command in [
            "run", "plan", "reconcile", "check", "list apps", "read app", "status", "events", "suspend", "resume",
            "version", "completion",
        ] {
            #expect(overview.contains("  \(command)"))
            let help = try await execute([binary] + command.split(separator: " ").map(String.init) + ["--help"])
            #expect(help.code == 0 && help.outputText.contains("Example:"), "\(command)")
        }
        for shell in ["bash", "zsh", "fish"] { #expect(try await execute([binary, "completion", shell]).code == 0) }
        #expect(try await execute(["bash", "-n", "/dev/stdin"]).code == 0)
    }

    @Test func aConfigurationThatIsWrongIsToldAllAtOnce() async throws {
        let scratch = try Scratch()
        try scratch.write("git: {url: 'ftp://x', brnch: a}\nlimits: {timeout: long}\n", to: "config.yml")
        let result = try await execute([binary, "run", "\(scratch.path)/config.yml"])
        #expect(result.code == 1)
        #expect(result.errorText.split(separator: "\n").count == 3, "\(result.errorText)")
    }

    /// A controller that follows a repository which is not there, until it is ended.
    private func controller(_ scratch: Scratch) async throws -> String {
        try scratch.write(
            "git: {url: /nonexistent/fleet}\nstore: \(scratch.path)/store\ntargets: [{name: default, endpoint: 'unix:///nonexistent'}]\n",
            to: "config.yml"
        )
        let run = "\(binary) run \(scratch.path)/config.yml --log text </dev/null >\(scratch.path)/log 2>&1"
        let pid = trimmedLine(try await shell(["sh", "-c", "timeout 60 \(run) & echo $!"]))
        for _ in 0..<200 where fileText("\(scratch.path)/log")?.contains("no such repository") != true {
            try await Task.sleep(for: .milliseconds(50))
        }
        return pid
    }

    /// An empty word means everything to more than one API.
    @Test(.timeLimit(.minutes(1))) func aWordThatNamesNothingIsRefused() async throws {
        let scratch = try Scratch()
        let pid = try await controller(scratch)
        _ = try await execute(["kill", pid])
        for command in [["approve"], ["reconcile"], ["suspend", "--reason", "x"], ["resume"], ["read", "app"]] {
            for word in ["", "default/", "/web", "a/b/c"] {
                let words = [binary] + command + [word, "--config", "\(scratch.path)/config.yml"]
                let result = try await execute(words, timeout: .seconds(20))
                #expect(
                    result.code == 1 && result.errorText.contains("is no name of an app"),
                    "\(command) '\(word)': \(result.code) \(result.errorText)"
                )
            }
        }
    }

    /// Only whoever has the lock repairs a store.
    @Test(.timeLimit(.minutes(1)), arguments: ["--once", "--status"])
    func aNodesCommandsRepairNoStoreThatAnotherOneHas(option: String) async throws {
        let scratch = try Scratch()
        let pid = try await controller(scratch)
        let store = "\(scratch.path)/store"
        let first = trimmedLine(try await shell(["pgrep", "-P", pid]))
        try await shell(["kill", "-STOP", first])
        try await shell(["sh", "-c", "head -c 20000 /dev/urandom >hecate.db; rm hecate.db-*"], directory: store)
        try scratch.write("", to: "gitops/apps/none")
        _ = try await execute(
            ["timeout", "10", binary, "agent", option, "--store", store],
            environment: ["HECATE_GITOPS_DIR": "\(scratch.path)/gitops", "HOME": scratch.path]
        )
        let names = try await shell(["ls", store])
        #expect(!names.contains("damaged"), "\(names)")
        try await shell(["kill", "-CONT", first])
        try await shell(["kill", first])
    }

    @Test func secretsReachNeitherArgumentsNorMessages() async throws {
        let scratch = try Scratch()
        try scratch.write("hush-hush", to: "password")
        try scratch.write(
            "git: {url: 'https://127.0.0.1:1/fleet.git', username: bot, password_file: \(scratch.path)/password}\nstore: \(scratch.path)/store\n",
            to: "config.yml"
        )
        let result = try await execute([binary, "plan", "--config", "\(scratch.path)/config.yml"])
        #expect(result.code == 1)
        #expect(!result.errorText.contains("hush") && !result.outputText.contains("hush"))
        // Asked by git, the program answers with what it was started with, and with nothing else.
        let secrets = [
            "HECATE_ASKPASS": "1", "HECATE_GIT_USERNAME": "bot", "HECATE_GIT_PASSWORD": "hush-hush",
            "HECATE_GIT_HOST": "git.example.org:8443",
        ]
        let asked = try await execute(
            [binary, "Password for 'https://bot@git.example.org:8443': "],
            environment: secrets
        )
        #expect(asked.outputText == "hush-hush\n")
        let username = try await execute(
            [binary, "Username for 'https://git.example.org:8443': "],
            environment: secrets
        )
        #expect(username.outputText == "bot\n")
        let stranger = try await execute([binary, "Password for 'https://bot@elsewhere.org': "], environment: secrets)
        #expect(stranger.code == 1 && stranger.outputText.isEmpty)
    }
}
