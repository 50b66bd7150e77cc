import JSON
import Subprocess
import TestSupport
import Testing

/// What belongs to others stays, and what is ours goes only when it is told and wanted.
@Suite struct OwnershipTests {
    // MARK: Names of nothing

    @Test(.timeLimit(.minutes(2))) func anEntryThatNamesNothingTouchesNoForeignStack() async throws {
        let fleet = try await Fleet(verify: "1s")
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper()])
        try await fleet.deployByHand("foreign")
        try await fleet.running { try await fleet.settled("a") }
        // As an older version left it.
        try await shell([
            "sh", "-c",
            """
            for file in \(fleet.store)/*.db \(fleet.store)/*.sqlite \(fleet.store)/store; do
                [ -f "$file" ] && sqlite3 "$file" "CREATE TEMP TABLE t AS SELECT * FROM apps LIMIT 1;
                    UPDATE t SET name = ''; INSERT INTO apps SELECT * FROM t; SELECT count(*) FROM apps;" && exit 0
            done
            ls \(fleet.store) >&2
            exit 1
            """,
        ])
        let tasks = try await fleet.tasks("foreign")
        try await fleet.commit(
            stacks: ["{name: PREFIXa, compose_file: a.yml}", "{compose_file: b.yml}"],
            ["a.yml": sleeper("A: 2")],
            tail: "retired_stacks:\n  -\n"
        )
        try await fleet.running {
            try await fleet.settled("a")
            try await fleet.eventually("the cures are told") {
                fleet.log.contains("stacks.yml:3:5: a stack needs 'name'")
                    && fleet.log.contains("stacks.yml:5:") && fleet.log.contains("retired_stacks")
            }
            try await Task.sleep(for: .seconds(4))
            #expect(try await fleet.tasks("foreign") == tasks)
            #expect(try await fleet.environment("a") == ["one": "A=2"])
        }
        try await fleet.clean("a", "foreign")
    }

    // MARK: Other sources

    @Test(.timeLimit(.minutes(2))) func aNameThatAnotherSourceHasIsRefusedUntilItIsRenamed() async throws {
        let fleet = try await Fleet(verify: "1s")
        let second = try await fleet.secondSource()
        let web = "stacks: [{name: \(fleet.name("web")), compose_file: a.yml}]\n"
        try await fleet.commit(stacks: ["{name: PREFIXweb, compose_file: a.yml}"], ["a.yml": sleeper()])
        try await second.commit(["stacks.yml": "stacks: []\n"])
        try await fleet.running {
            try await fleet.settled("web")
            let tasks = try await fleet.tasks("web")
            try await second.commit(["stacks.yml": web, "a.yml": sleeper("B: 1")])
            try await fleet.eventually("it is refused") {
                fleet.log.contains("'\(fleet.name("web"))' is also declared by the source 'fleet', which had it first")
            }
            try await second.commit(["stacks.yml": web.replacing("web,", with: "web2,")])
            try await fleet.eventually("the renamed one runs") { try await fleet.services("web2").count == 1 }
            // Letting it go by name, or by its absence, is no word about what another source has.
            try await second.commit(["stacks.yml": "stacks: []\nretired_stacks: [\(fleet.name("web"))]\n"])
            try await fleet.eventually("the renamed one goes") { try await fleet.services("web2").isEmpty }
            try await fleet.eventually("it says so") {
                fleet.log.contains("\(fleet.name("web"))") && fleet.log.contains("is not removed")
            }
            #expect(try await fleet.tasks("web") == tasks)
        }
        try await fleet.clean("web", "web2")
    }

    @Test(.timeLimit(.minutes(2)), arguments: ["enabled", "retired", "replaces"])
    func nothingOfOthersIsRemovedByName(_ way: String) async throws {
        let fleet = try await Fleet(verify: "1s")
        // One nobody claims, and one that another controller has.
        try await fleet.deployByHand("hand")
        try await fleet.deployByHand("other")
        try await fleet.claimFor("other", owner: "elsewhere 0123456789ab", controller: "vm9-1")
        let before = try await fleet.tasks("hand").union(try await fleet.tasks("other"))
        #expect(before.count == 2)
        var entries = ["{name: PREFIXa, compose_file: a.yml}"]
        var tail = ""
        switch way {
        case "enabled":
            entries += ["hand", "other"].map { "{name: PREFIX\($0), compose_file: a.yml, enabled: false}" }
        case "retired": tail = "retired_stacks: [\(fleet.name("hand")), \(fleet.name("other"))]\n"
        default: entries = ["{name: PREFIXa, compose_file: a.yml, replaces: [PREFIXhand, PREFIXother]}"]
        }
        let declared = entries.map { $0.replacing("PREFIX", with: fleet.prefix) }
        let after = tail
        try await fleet.commit(stacks: declared, ["a.yml": sleeper()], tail: after)
        try await fleet.running {
            try await fleet.settled("a")
            try await fleet.eventually("it says so", within: .seconds(15)) {
                let told = fleet.log.split(separator: "\n").filter {
                    $0.contains(" Refused") || $0.contains("Refused ")
                }
                return ["hand", "other"].allSatisfy { stack in told.contains { $0.contains(fleet.name(stack)) } }
            }
            let now = try await fleet.tasks("hand").union(try await fleet.tasks("other"))
            #expect(now == before)
            // Said once, not at every look.
            let count = fleet.log.ranges(of: " Refused").count
            try await fleet.commit(["a.yml": sleeper("A: 2")])
            try await fleet.settled("a")
            #expect(fleet.log.ranges(of: " Refused").count == count)
            #expect(try await fleet.tasks("hand").union(try await fleet.tasks("other")) == before)
            let plan = try await fleet.hecate("plan").outputText
            #expect(!plan.contains("remove"), "a plan shows only what will happen: \(plan)")
        }
        try await fleet.commit(stacks: ["{name: PREFIXnew, compose_file: a.yml}"], ["a.yml": sleeper()])
        let plan = try await fleet.hecate("plan").outputText
        #expect(plan.contains("- remove service \(fleet.name("a"))_one"), "\(plan)")
        #expect(!plan.contains("hand_") && !plan.contains("other_"), "\(plan)")
        try await fleet.clean("a", "hand", "other")
    }

    @Test(.timeLimit(.minutes(2)), arguments: [false, true])
    func anAbsentSourceKeepsItsApp(_ isStoreLost: Bool) async throws {
        let fleet = try await Fleet(verify: "1s")
        let second = try await fleet.secondSource()
        try await fleet.commit(stacks: ["{name: PREFIXweb, compose_file: a.yml}"], ["a.yml": sleeper()])
        try await second.commit([
            "stacks.yml": "stacks: [{name: \(fleet.name("b")), compose_file: a.yml}]\n", "a.yml": sleeper("B: 1"),
        ])
        try await fleet.running {
            try await fleet.settled("web")
            try await fleet.eventually("b runs") { try await fleet.services("b").count == 1 }
        }
        let tasks = try await fleet.tasks("web")
        // The first source's forge is away, and all that is known of it with it.
        try await shell(["mv", fleet.repository.path, "\(fleet.repository.path).away"])
        if isStoreLost {
            try await fleet.loseStore()
        } else {
            try await shell(["sh", "-c", "rm -rf \(fleet.store)/mirrors \(fleet.store)/*/*.git"])
        }
        let b = "{name: \(fleet.name("b")), compose_file: a.yml}"
        try await second.commit([
            "stacks.yml": isStoreLost
                ? "stacks: [\(b), {name: \(fleet.name("web")), compose_file: a.yml}]\n"
                : "stacks: [\(b)]\nretired_stacks: [\(fleet.name("web"))]\n",
            "a.yml": sleeper("B: 2"),
        ])
        try await fleet.running {
            try await fleet.eventually("b is deployed") { try await fleet.environment("b") == ["one": "B=2"] }
            try await Task.sleep(for: .seconds(5))
            #expect(try await fleet.tasks("web") == tasks, "\(fleet.log)")
            #expect(try await fleet.environment("web") == ["one": "A=1"])
            let records = try await fleet.hecate("list", "apps", "--format", "json").outputText
            #expect(
                !isStoreLost || !records.contains(fleet.name("web")),
                "whoever sees the second's apps sees no other"
            )
            // It is the first source's still.
            try await shell(["mv", "\(fleet.repository.path).away", fleet.repository.path])
            try await fleet.commit(["a.yml": sleeper("A: 3")])
            try await fleet.eventually("the first goes on with it", within: .seconds(60)) {
                try await fleet.environment("web") == ["one": "A=3"]
            }
        }
        try await fleet.clean("web", "b")
    }

    @Test(.timeLimit(.minutes(2))) func aStackDeployedByHandUnderARejectedNameStays() async throws {
        let fleet = try await Fleet(verify: "1s")
        try await fleet.commit(
            stacks: ["a", "bad", "never"].map { "{name: PREFIX\($0), compose_file: \($0.prefix(3)).yml}" },
            [
                "a.yml": sleeper(), "bad.yml": "services: {a: {image: x, prots: [80]}}", "nev.yml": "services: {a: {}}",
            ]
        )
        try await fleet.running {
            try await fleet.settled("a")
            try await fleet.eventually("it is rejected") { fleet.log.contains("did you mean 'ports'?") }
            try await fleet.deployByHand("bad")
            let tasks = try await fleet.tasks("bad")
            try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper("A: 2")])
            try await fleet.settled("a")
            try await fleet.eventually("it is left") { fleet.log.contains("not this source's to remove") }
            #expect(try await fleet.tasks("bad") == tasks)
            try await fleet.eventually("what never ran is forgotten") {
                fleet.log.contains("default/\(fleet.name("never")) Removed")
            }
        }
        try await fleet.clean("a", "bad")
    }

    /// One Swarm under two names: the one that lets the stack go waits for the one that takes it over.
    @Test(.timeLimit(.minutes(2))) func aStackThatMovesToAnotherNameOfItsSwarmGoesOn() async throws {
        let fleet = try await Fleet(verify: "1s")
        let target = "{name: default, endpoint: '\(fleet.engine)'}"
        let config = (fileText(fleet.config) ?? "").replacing(target, with: "\(target), \(target)")
            .replacing("\(target)]", with: "{name: other, endpoint: '\(fleet.engine)'}]")
        try fleet.scratch.write(config, to: "config.yml")
        @Sendable func entry(_ target: String, _ file: String = "a") -> [String] {
            ["{name: PREFIXweb, compose_file: \(file).yml, target: \(target)}"]
        }
        let files = sleeper(tail: "secrets: {key: {file: key.txt}}\nconfigs: {page: {file: key.txt}}\n")
            .replacing("    command:", with: "    secrets: [key]\n    configs: [page]\n    command:")
        try await fleet.commit(
            stacks: entry("default"),
            ["a.yml": files, "key.txt": "1", "bad.yml": "services: {a: {}}"]
        )
        let web = fleet.name("web")
        @Sendable func names() async throws -> [String] {
            let list = try JSON(parsing: try await fleet.hecate("list", "apps", "--format", "json").output).array ?? []
            return list.compactMap { "\($0["target"]?.string ?? "")/\($0["name"]?.string ?? "")" }
        }
        try await fleet.running {
            try await fleet.settled("web")
            let tasks = try await fleet.tasks("web")
            #expect(tasks.count == 1)
            // What cannot be read takes nothing over yet.
            try await fleet.commit(stacks: entry("other", "bad"))
            try await fleet.eventually("both are there") {
                try await names().sorted() == ["default/\(web)", "other/\(web)"]
            }
            try await Task.sleep(for: .seconds(7))
            #expect(try await fleet.tasks("web") == tasks)
            try await fleet.commit(stacks: entry("other"))
            try await fleet.eventually("it moved") { try await names() == ["other/\(web)"] }
            try await fleet.settled("web")
            #expect(
                fleet.log.contains("default/\(web)") && !fleet.log.contains("Pruned") && !fleet.log.contains("Removed")
            )
            // There and back at once.
            try await fleet.commit(stacks: entry("default"))
            try await fleet.eventually("it is back") { try await names() == ["default/\(web)"] }
            try await fleet.settled("web")
            try await Task.sleep(for: .seconds(4))
            #expect(try await fleet.tasks("web") == tasks)
            #expect(try await fleet.docker("secret", "ls", "-q", "--filter", "name=\(web)_key").isEmpty == false)
            // What is declared under neither name goes.
            try await fleet.commit(stacks: ["{name: PREFIXelse, compose_file: a.yml, target: other}"])
            try await fleet.eventually("it goes") { try await fleet.services("web").isEmpty }
        }
        try await fleet.clean("web", "else")
    }

    /// Somebody made a secret and a config for the stack by hand.
    @Test(.timeLimit(.minutes(2)), arguments: [true, false])
    func whatWasMadeByHandForAStackStays(_ prunes: Bool) async throws {
        let fleet = try await Fleet(verify: "1s")
        let options = prunes ? "" : ", prune: false"
        let tail = "configs: {page: {content: V1}}\n"
        let text = sleeper(tail: tail).replacing("    command:", with: "    configs: [page]\n    command:")
        try await fleet.commit(stacks: ["{name: PREFIXweb, compose_file: a.yml\(options)}"], ["a.yml": text])
        try await fleet.running {
            try await fleet.settled("web")
            try fleet.scratch.write("by hand", to: "file")
            for kind in ["secret", "config"] {
                let label = "com.docker.stack.namespace=\(fleet.name("web"))"
                let name = "\(fleet.name("web"))_backup_key"
                try await fleet.docker(kind, "create", "-l", label, name, "\(fleet.scratch.path)/file")
            }
            for version in ["V2", "V3", "V4"] {
                try await fleet.commit(["a.yml": text.replacing("V1", with: version)])
                try await fleet.settled("web")
            }
            for kind in ["secret", "config"] {
                let names = try await fleet.docker(kind, "ls", "--format", "{{.Name}}")
                #expect(names.contains("\(fleet.name("web"))_backup_key"), "\(kind)s: \(names)")
            }
        }
        try await fleet.clean("web")
    }

    @Test(.timeLimit(.minutes(2))) func anAppThatMovesFromSourceToSourceGoesOn() async throws {
        try await afterMoving(to: sleeper()) { fleet, second, tasks in
            try await Task.sleep(for: .seconds(4))
            #expect(try await fleet.tasks("web") == tasks)
            try await second.commit(["a.yml": sleeper("A: 2")])
            try await fleet.eventually("the new source acts") { try await fleet.environment("web") == ["one": "A=2"] }
        }
    }

    /// What the new source wants differs already when the old one lets go, and nothing else happens afterwards.
    @Test(.timeLimit(.minutes(2))) func whatAnAppBecomesByMovingIsBroughtAboutAtOnce() async throws {
        try await afterMoving(to: sleeper("A: 2")) { fleet, _, _ in
            try await fleet.eventually("the new source acts", within: .seconds(15)) {
                try await fleet.environment("web") == ["one": "A=2"]
            }
        }
    }

    /// Has an app move to a second source that was refused it before.
    private func afterMoving(
        to compose: String,
        _ body: @escaping @Sendable (Fleet, TestRepository, Set<String>) async throws -> Void
    ) async throws {
        let fleet = try await Fleet(verify: "1s")
        let second = try await fleet.secondSource()
        let web = "stacks: [{name: \(fleet.name("web")), compose_file: a.yml}]\n"
        try await fleet.commit(["stacks.yml": web, "a.yml": sleeper()])
        try await second.commit(["stacks.yml": "stacks: []\n"])
        try await fleet.running {
            try await fleet.settled("web")
            let tasks = try await fleet.tasks("web")
            try await second.commit(["stacks.yml": web, "a.yml": compose])
            try await fleet.eventually("the second is refused") { fleet.log.contains("is also declared by") }
            try await fleet.commit(["stacks.yml": "stacks: []\n"])
            try await fleet.eventually("it moves") { fleet.log.contains("moved from the source 'fleet' to 'second'") }
            try await body(fleet, second, tasks)
        }
        try await fleet.clean("web")
    }

    @Test(.timeLimit(.minutes(2))) func anAppMovesToASourceThatIsReadLater() async throws {
        let fleet = try await Fleet(verify: "1s")
        let web = "stacks: [{name: \(fleet.name("web")), compose_file: a.yml}]\n"
        try await fleet.commit(["stacks.yml": web, "a.yml": sleeper()])
        try await fleet.running { try await fleet.settled("web") }
        let tasks = try await fleet.tasks("web")
        // The new source comes with the restart, and its forge answers late.
        let second = try await fleet.secondSource()
        try await second.commit(["stacks.yml": web, "a.yml": sleeper()])
        try await shell(["mv", second.path, "\(second.path).away"])
        try await fleet.commit(["stacks.yml": "stacks: []\n"])
        try await fleet.running {
            try await fleet.eventually("the first is read") { fleet.log.contains(": 0 apps") }
            try await Task.sleep(for: .seconds(4))
            #expect(try await fleet.tasks("web") == tasks)
            try await shell(["mv", "\(second.path).away", second.path])
            try await fleet.eventually("it moves") { fleet.log.contains("moved from the source 'fleet' to 'second'") }
            try await Task.sleep(for: .seconds(2))
            #expect(try await fleet.tasks("web") == tasks)
        }
        try await fleet.clean("web")
    }

    @Test(.timeLimit(.minutes(2))) func theLastAppGoesThoughOnlyTheClusterKnowsIt() async throws {
        let fleet = try await Fleet(verify: "1s")
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": sleeper()])
        try await fleet.running { try await fleet.settled("a") }
        try await fleet.loseStore()
        try await fleet.commit(["stacks.yml": "stacks: []\n"])
        try await fleet.running {
            try await fleet.eventually("it goes", within: .seconds(30)) { try await fleet.services("a").isEmpty }
        }
        try await fleet.clean("a")
    }

    @Test(.timeLimit(.minutes(2))) func oneSwarmUnderTwoNamesLosesNothing() async throws {
        let fleet = try await Fleet(verify: "1s")
        let text = fileText(fleet.config) ?? ""
        let target = "{name: default, endpoint: '\(fleet.engine)'}"
        let twice = text.replacing(target, with: "\(target), {name: again, endpoint: '\(fleet.engine)'}")
        #expect(twice != text)
        try fleet.scratch.write(twice, to: "config.yml")
        let entries = ["a", "b", "c"].map { "{name: PREFIX\($0), compose_file: a.yml}" }
        try await fleet.commit(stacks: entries, ["a.yml": sleeper()])
        try await fleet.running { try await fleet.settled("a", "b", "c") }
        let tasks = try await fleet.tasks("a")
        // The claims are read again under both names.
        try await fleet.running {
            try await fleet.settled("a", "b", "c")
            try await fleet.commit(["other": "1"])
            try await fleet.settled("a", "b", "c")
            try await Task.sleep(for: .seconds(3))
            #expect(!fleet.log.contains("Removed") && !fleet.log.contains("Pruned"), "\(fleet.log)")
            #expect(try await fleet.tasks("a") == tasks)
        }
        try await fleet.clean("a", "b", "c")
    }

    // MARK: Removals inside an app
}

extension Fleet {
    /// Deploys a stack as a person would, and waits until it runs.
    func deployByHand(_ stack: String, _ compose: String = sleeper()) async throws {
        try scratch.write("version: \"3.9\"\n" + compose, to: "\(stack).yml")
        try await docker("stack", "deploy", "-c", "\(scratch.path)/\(stack).yml", name(stack))
        try await eventually("the stack \(stack) runs") {
            let replicas = try await docker("stack", "services", name(stack), "--format", "{{.Replicas}}")
            return !replicas.isEmpty && replicas.split(separator: "\n").allSatisfy { $0 == "1/1" }
        }
    }

    /// Claims a stack on the cluster, as another controller would have done.
    fileprivate func claimFor(_ stack: String, owner: String, controller: String) async throws {
        let labels = ["app=\(name(stack))", "owner=\(owner)", "controller=\(controller)"]
        let options = labels.map { "--label 'io.hecate.\($0)'" }.joined(separator: " ")
        let line = "echo '{}' | /usr/bin/docker -H \(engine) config create \(options) hecate.\(name(stack)) -"
        try await shell(["sh", "-c", line])
    }

    /// Gives the controller a second source, `second`, beside `fleet`.
    fileprivate func secondSource() async throws -> TestRepository {
        let second = try await TestRepository(at: "\(scratch.path)/second")
        let text = fileText(config) ?? ""
        let added = "sources: [{name: second, url: '\(second.path)', poll_interval: 0.3}]\n"
        try scratch.write(text + added, to: "config.yml")
        return second
    }
}
