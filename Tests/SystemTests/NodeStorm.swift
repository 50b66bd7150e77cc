internal import Glibc
import Subprocess
import TestSupport

/// Plays random steps on a node: people who write units and meddle, and a machine that dies.
///
/// What it did is kept in a diary beside the node's folder.
struct NodeStorm {
    let node: Node
    let seed: UInt64
    private var dice: SeededGenerator
    var units = StormUnit.all
    /// The folders units are put into; some are renamed now and then.
    private var folders = ["system", "apps", "apps/box-a", "apps/box-b/inner", "apps/box-c"]
    private var renamings = 0
    private(set) var steps = 0
    /// What is to be told when something is wrong.
    private(set) var diary: [String] = []
    /// Laws that did not hold on the way.
    private(set) var violations: [String] = []
    /// How the units that nobody touches run, as they came up last.
    private var stillRuns: [String: String] = [:]
    private(set) var memory: [Int] = []
    /// When the machine or the user's systemd came up, in seconds of the day.
    private var starts: [Int] = []
    /// Where the folder and the store lie; it outlives the machine's death.
    private var disk: SmallDisk?

    static let still = ["t-still", "t-still-env", "t-still-program"]
    private static let settings = "HECATE_VERIFY_WINDOW=1 HECATE_DEBOUNCE=0.1 HECATE_TIMEOUT=40"

    init(node: Node, seed: UInt64) {
        (self.node, self.seed) = (node, seed)
        dice = SeededGenerator(seed: seed)
    }

    var diaryPath: String { "\(node.folder)-storm-\(seed).log" }

    /// Whether the machine or the user's systemd came up just before a time of the day.
    func isJustUp(_ time: String) -> Bool {
        let parts = time.split { "T.Z:".contains($0) }.dropFirst().prefix(3).compactMap { Int($0) }
        guard parts.count == 3 else { return false }
        let second = parts[0] * 3600 + parts[1] * 60 + parts[2]
        return starts.contains { (-15...45).contains(second - $0) }
    }

    private mutating func noteStart() {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        starts.append(now.tv_sec % 86_400)
    }

    private mutating func note(_ words: String) {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let seconds = now.tv_sec % 86_400
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let time = "\(two(seconds / 3600)):\(two(seconds / 60 % 60)):\(two(seconds % 60)).\(now.tv_nsec / 100_000_000)"
        diary.append("\(time) \(words)")
        try? writeFile(diary.joined(separator: "\n") + "\n", to: diaryPath)
    }

    private mutating func note(_ words: String, of index: Int) {
        note("\(units[index].stem): \(words)")
        units[index].history.append(diary.last ?? "")
    }

    mutating func violation(_ words: String) {
        note("VIOLATION \(words)")
        violations.append(words)
    }

    private mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &dice) }
    private mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
    private mutating func pause(_ range: ClosedRange<Double>) async throws {
        try await Task.sleep(for: .seconds(Double.random(in: range, using: &dice)))
    }

    // MARK: Beginning and end

    /// Lays the folder onto a small disk that outlives the machine's death, and declares what nobody touches.
    mutating func begin() async throws {
        note("seed \(seed), \(node.isOld ? "Podman 3" : "Podman 5")")
        try await node.clean()
        try await node.machine("off")
        disk = try await SmallDisk(at: "\(node.homeOnDisk)/.hecate", size: "24m")
        try await shell(["chown", "1000:1000", "\(node.homeOnDisk)/.hecate"])
        // In here systemd does not always hear that the last process of a session is gone.
        try writeFile(
            "[Service]\nTimeoutStopSec=8\n",
            to: "\(node.folder)/root/etc/systemd/system/user@.service.d/10-storm.conf"
        )
        try await node.machine("boot")
        try await foreign()
        _ = try await node.shell("mkdir -p ~/.hecate/gitops/system ~/.hecate/gitops/apps ~/.hecate/secrets ~/.storm")
        try await node.write(sleeperUnit("HealthCmd=true\nHealthInterval=5s"), to: "apps/t-still.container")
        try await node.write("STORM=1\n", to: "apps/still/env-still/still.env")
        try await node.write(sleeperUnit("EnvironmentFile=env-still/still.env"), to: "apps/still/t-still-env.container")
        try await node.write(
            "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=default.target\n",
            to: "system/t-still-program.service"
        )
        for index in units.indices where index % 2 == 0 { try await write(index) }
        // As `hecate init node` makes it, it comes back by itself.
        _ = try await node.shell(
            "mkdir -p ~/.config/systemd/user/t-agent.service.d; printf '[Service]\\nRestart=always\\nRestartSec=1\\n' "
                + ">~/.config/systemd/user/t-agent.service.d/10-storm.conf"
        )
        try await node.enableAgent()
        try await node.eventually("what is never touched is up", within: .seconds(90)) { try await areStillReady() }
        stillRuns = try await runs()
        note("begun")
    }

    /// What somebody else put beside the agent's.
    private func foreign() async throws {
        try writeFile(sleeperUnit("Environment=FOREIGN=1"), to: "\(node.homeOnDisk)/.written")
        try writeFile(Self.foreignProgram, to: "\(node.homeOnDisk)/.written-2")
        _ = try await node.shell(
            """
            mkdir -p ~/.config/containers/systemd ~/.config/systemd/user/default.target.wants ~/elsewhere
            cp ~/.written ~/.config/containers/systemd/t-foreign.container
            cp ~/.written-2 ~/.config/systemd/user/t-foreign-program.service
            cp ~/.written-2 ~/elsewhere/t-foreign-linked.service
            ln -s ~/elsewhere/t-foreign-linked.service ~/.config/systemd/user/t-foreign-linked.service
            ln -s ../t-foreign-program.service ~/.config/systemd/user/default.target.wants/t-foreign-program.service
            \(node.isOld ? "ln -s ../t-foreign.service ~/.config/systemd/user/default.target.wants/" : "")
            echo '[Volume]' >~/elsewhere/t-foreign-data.volume
            ln -s ~/elsewhere/t-foreign-data.volume ~/.config/containers/systemd/
            cp ~/.written ~/elsewhere/foreign
            \(node.isOld ? "cp ~/.written-2 ~/.config/systemd/user/t-foreign.service" : "")
            systemctl --user daemon-reload; systemctl --user start t-foreign-program t-foreign
            """
        )
    }

    private static let foreignProgram =
        "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=default.target\n"

    /// Whether what somebody else put there is as it was.
    func isForeignUntouched() async throws -> Bool {
        let result = try await node.user(
            "sh",
            "-c",
            """
            cd ~/.config
            cmp ~/elsewhere/foreign containers/systemd/t-foreign.container
            cmp ~/elsewhere/t-foreign-linked.service systemd/user/t-foreign-program.service
            test "$(readlink systemd/user/t-foreign-linked.service)" = ~/elsewhere/t-foreign-linked.service
            test "$(readlink systemd/user/default.target.wants/t-foreign-program.service)" = ../t-foreign-program.service
            test "$(readlink containers/systemd/t-foreign-data.volume)" = ~/elsewhere/t-foreign-data.volume
            systemctl --user is-active t-foreign.service t-foreign-program.service
            """.replacing("\n", with: " && ")
        )
        return result.code == 0
    }

    mutating func end() async throws {
        try await node.disableAgent()
        _ = try await node.shell("rm -rf ~/.storm ~/other; rm -f ~/.config/systemd/user/default.target.wants/t-*")
        try await node.clean()
        try await node.asRoot("rm -r /etc/systemd/system/user@.service.d")
        try await node.machine("off")
        disk = nil
        try await node.machine("boot")
        try await node.clean()
    }

    // MARK: Steps

    mutating func step() async throws {
        steps += 1
        switch below(100) {
        case 0..<34: try await write(below(units.count))
        case 34..<42: try await remove(below(units.count))
        case 42..<48: try await move(below(units.count))
        case 48..<52: try await renameFolder()
        case 52..<66: try await meddle(below(units.count))
        case 66..<71: try await meddleWithSystemd()
        case 71..<76: try await killAgent()
        case 76..<78: try await restartAgent()
        case 78..<80: try await startSecondAgent()
        case 80..<85: try await putStrangeFile()
        case 85..<88: try await fillDisk()
        case 88..<90: try await restartUserManager()
        case 90..<92: try await cutPower()
        case 92..<94: try await removeLink(below(units.count))
        case 94..<95: try await loseStore()
        case 95..<96: try await freezeAgent()
        default: try await look()
        }
        try await pause(0.3...4.5)
    }

    private func root(_ folder: String) -> String { "\(Node.home)/.hecate/gitops/\(folder)" }

    /// Declares a new version of a unit, wherever it lies.
    private mutating func write(_ index: Int) async throws {
        let sort = units[index].sorts[below(units[index].sorts.count)]
        let target = units[index].folder ?? folders[below(folders.count)]
        let (old, oldFiles) = (units[index], units[index].files(0).map(\.path))
        // Of one name there is one kind.
        units[index].sort = sort
        units[index].version += 1
        units[index].folder = target
        units[index].changed = .now
        if units[index].law == .bad { units[index].wasAlwaysGood = false }
        let files = units[index].files(below(6))
        let stale = old.folder == nil ? [] : oldFiles.filter { path in !files.contains { $0.path == path } }
        let way = ["at once", "in place", "bit by bit"][below(3)]
        if way != "at once" || files.count > 1 || !stale.isEmpty { units[index].wasTorn = true }
        note("write \(sort) \(units[index].version) into \(target), \(way)", of: index)
        var script = "set -e; cd ~/.hecate/gitops; mkdir -p \(target); cd \(target)\n"
        for (number, file) in files.enumerated() {
            try writeFile(file.text, to: "\(node.homeOnDisk)/.storm/\(number)")
            let source = "\(Node.home)/.storm/\(number)"
            let folder = file.path.split(separator: "/").dropLast().joined(separator: "/")
            if !folder.isEmpty { script += "mkdir -p \(folder)\n" }
            switch way {
            case "at once": script += "cp \(source) .new; mv .new \(file.path)\n"
            case "in place": script += "cp \(source) \(file.path)\n"
            default:
                script += "head -c 60 \(source) >\(file.path); sleep 0.3; tail -c +61 \(source) >>\(file.path)\n"
            }
        }
        if !stale.isEmpty { script += "rm -rf \(names(stale))\n" }
        _ = try await node.shell(script)
    }

    private mutating func remove(_ index: Int) async throws {
        guard let folder = units[index].folder, units.count(where: { $0.folder != nil }) > 9 else { return }
        note("remove", of: index)
        let files = units[index].files(0).map(\.path)
        _ = try await node.shell("cd \(root(folder)) && rm -rf \(names(files))")
        units[index].folder = nil
        units[index].changed = .now
    }

    /// Files of a unit as words of a shell; a folder goes as a whole.
    private func names(_ files: [String]) -> String {
        files.map { String($0.split(separator: "/")[0]) }.joined(separator: " ")
    }

    private mutating func move(_ index: Int) async throws {
        let target = folders[below(folders.count)]
        guard let folder = units[index].folder, folder != target else { return }
        note("move from \(folder) to \(target)", of: index)
        var script = "set -e; mkdir -p \(root(target)); cd \(root(folder))\n"
        for name in names(units[index].files(0).map(\.path)).split(separator: " ") {
            script += "mv \(name) \(root(target))/\n"
        }
        _ = try await node.shell(script)
        units[index].folder = target
        units[index].changed = .now
        units[index].wasTorn = true
    }

    private mutating func renameFolder() async throws {
        let number = 2 + below(3)
        let old = folders[number]
        renamings += 1
        let new = "apps/box-\(renamings)"
        let outer = old.split(separator: "/").prefix(2).joined(separator: "/")
        note("rename \(outer) to \(new)")
        _ = try await node.shell("cd ~/.hecate/gitops; mkdir -p \(old); mv \(outer) \(new)")
        folders[number] = old.replacing(outer, with: new)
        for index in units.indices where units[index].folder == old {
            units[index].folder = folders[number]
            units[index].changed = .now
            units[index].wasTorn = true
            units[index].history.append("\(diary.last ?? "")")
        }
    }

    /// Somebody works on a service by hand.
    private mutating func meddle(_ index: Int) async throws {
        guard units[index].folder != nil, units[index].sort != .taken else { return }
        let words = ["stop", "restart", "start", "kill -s KILL", "kill"][below(5)]
        note("systemctl \(words)", of: index)
        if words.hasPrefix("kill") { units[index].killed = .now }
        units[index].wasTouched = true
        let flag = words.hasPrefix("kill") ? "" : "--no-block"
        _ = try await node.user("sh", "-c", "systemctl --user \(words) \(flag) \(units[index].service)")
    }

    private mutating func meddleWithSystemd() async throws {
        let words = chance(60) ? "daemon-reload" : chance(50) ? "reset-failed" : "daemon-reexec"
        note("systemctl \(words)")
        _ = try await node.user("systemctl", "--user", words)
    }

    private mutating func removeLink(_ index: Int) async throws {
        guard units[index].folder != nil else { return }
        note("its link is removed", of: index)
        units[index].wasTouched = true
        let folder = ["service", "timer"].contains(units[index].unit.split(separator: ".").last)
        let place = folder ? ".config/systemd/user" : ".config/containers/systemd"
        _ = try await node.user("sh", "-c", "test -L \(place)/\(units[index].unit) && rm \(place)/\(units[index].unit)")
    }

    private mutating func killAgent() async throws {
        await measure()
        note("kill -9 of the agent")
        _ = try await node.user("systemctl", "--user", "kill", "-s", "KILL", "t-agent")
        if chance(50) { try await pause(0...4) }
        _ = try await node.user("sh", "-c", "systemctl --user reset-failed t-agent; systemctl --user start t-agent")
    }

    private mutating func restartAgent() async throws {
        await measure()
        note("the agent is restarted")
        _ = try await node.user("systemctl", "--user", "restart", "t-agent")
    }

    /// The agent does nothing for a while, and goes on.
    private mutating func freezeAgent() async throws {
        note("the agent is frozen")
        _ = try await node.user("systemctl", "--user", "kill", "-s", "STOP", "t-agent")
        try await meddle(below(units.count))
        try await pause(1...6)
        _ = try await node.user("systemctl", "--user", "kill", "-s", "CONT", "t-agent")
    }

    /// Everything the agent noted is gone, under its hands or before it starts.
    private mutating func loseStore() async throws {
        note("the store is lost")
        _ = try await node.user("sh", "-c", "rm -rf ~/.hecate/state/*")
        if chance(50) { try await killAgent() }
    }

    /// One of the same user, which has to leave everything to the first.
    private mutating func startSecondAgent() async throws {
        let ownStore = chance(50)
        note("a second agent \(ownStore ? "with a store of its own" : "at the same store")")
        let store = ownStore ? "--store ~/other" : ""
        let started = try await node.shell("cd ~; ls -i ~/.hecate/state/hecate.db 2>/dev/null || true")
        let result = try await node.user(
            "sh",
            "-c",
            "rm -rf ~/other; env \(Self.settings) timeout 5 hecate agent \(store) --log text 2>&1"
        )
        let acts = ["Applying", "DriftRepaired", "Pruned", "NewRevision"].filter { result.outputText.contains($0) }
        if !acts.isEmpty { violation("a second agent acts beside the first: \(result.outputText)") }
        if !ownStore, result.code == 124 || result.code == 0 {
            violation(
                "a second agent at the same store does not refuse (\(result.code)): \(result.outputText) \(started)"
            )
        }
    }

    private mutating func putStrangeFile() async throws {
        let folder = folders[below(folders.count)]
        let long = "t-" + String(repeating: "a", count: 236)
        let scripts = [
            "mkfifo t-pipe-\(steps).container", "mkfifo env.fifo-\(steps)",
            "cp /etc/hostname \(long)-\(steps % 10).container",
            "cp /etc/hostname \"$(printf 't-\\377\\376.container')\"", "mkdir -p t-folder.container.d",
            "ln -sfn /nowhere t-gone-\(steps).container", "ln -sfn . t-loop", "rm -rf t-pipe* t-gone* env.fifo* t-loop",
            "head -c 200000 /dev/urandom >t-noise-\(steps % 3).container",
        ]
        let script = scripts[below(scripts.count)]
        note("\(script) in \(folder)")
        _ = try await node.user("sh", "-c", "mkdir -p \(root(folder)); cd \(root(folder)) && \(script)")
    }

    private mutating func fillDisk() async throws {
        note("the disk is full")
        try await disk?.fill()
        // Somebody meddles meanwhile, so that there is something to do and to tell.
        if chance(60) { try await meddle(below(units.count)) }
        try await pause(1...6)
        if chance(30) { try await killAgent() }
        try await disk?.makeRoom()
        note("there is room again")
    }

    private mutating func restartUserManager() async throws {
        try await compareStillRuns()
        note("the user manager is stopped")
        _ = try await execute(
            ["\(checkout)/Rigs/node.sh", "root", node.folder, "systemctl", "stop", "user@1000.service"]
        )
        try await pause(0...5)
        _ = try await execute(
            ["\(checkout)/Rigs/node.sh", "root", node.folder, "systemctl", "start", "user@1000.service"]
        )
        note("the user manager is up")
        noteStart()
        try await recordStillRuns()
    }

    private mutating func cutPower() async throws {
        try await compareStillRuns()
        note("the power is cut")
        try await node.machine("off")
        try await pause(0.5...3)
        try await node.machine("boot")
        note("booted")
        noteStart()
        try await recordStillRuns()
    }

    /// Somebody asks how things are.
    private mutating func look() async throws {
        let words = [
            "status", "plan", "list apps --format json", "agent --status", "events", "agent --once", "reconcile",
        ][below(7)]
        note("hecate \(words)")
        let result = try await node.user("sh", "-c", "\(Self.settings) hecate \(words)")
        if result.code > 2 {
            violation("'hecate \(words)' ends with \(result.code): \(result.errorText) \(result.outputText)")
        }
    }

    // MARK: What nobody touches

    private func areStillReady() async throws -> Bool {
        for (name, kind) in zip(Self.still, ["container", "container", "service"]) {
            guard try await node.isReady("\(name).\(kind)") else { return false }
        }
        return true
    }

    /// What tells one run from the next.
    private func runs() async throws -> [String: String] {
        var runs: [String: String] = [:]
        for name in Self.still {
            let run = try await node.user("systemctl", "--user", "show", "-p", "InvocationID", "--value", name)
            runs[name] = "\(try await node.state(name)) \(trimmedLine(run.outputText))"
        }
        for name in Self.still.dropLast() {
            runs["systemd-\(name)"] = try await node.container("systemd-\(name)", "{{.Id}}")
        }
        return runs
    }

    private mutating func recordStillRuns() async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < deadline {
            stillRuns = try await runs()
            if stillRuns.count(where: { $0.value.hasPrefix("active ") }) == Self.still.count { return }
            try await Task.sleep(for: .milliseconds(500))
        }
        violation("what nobody touched is not up a minute after the start: \(stillRuns)")
    }

    mutating func compareStillRuns() async throws {
        let now = try await runs()
        if now != stillRuns { violation("what nobody touched runs anew: \(now) was \(stillRuns); see the agent's log") }
    }

    /// How much memory the agent takes, in kilobytes.
    mutating func measure() async {
        let script = "awk '/^VmRSS/ {print $2}' /proc/$(systemctl --user show -p MainPID --value t-agent)/status"
        guard let text = try? await node.user("sh", "-c", script).outputText, let size = Int(trimmedLine(text)) else {
            return
        }
        memory.append(size)
        note("the agent takes \(size) kB")
    }

    // MARK: Afterwards

    /// Takes away what cannot work, so that nothing is left to do.
    mutating func removeBad() async throws {
        for index in units.indices where units[index].folder != nil && units[index].law == .bad {
            note("remove, since it cannot work", of: index)
            _ = try await node.shell(
                "cd \(root(units[index].folder ?? "")) && rm -rf \(names(units[index].files(0).map(\.path)))"
            )
            units[index].folder = nil
            // Never more than half at once.
            try await Task.sleep(for: .seconds(2))
        }
        _ = try await node.shell(
            "find ~/.hecate/gitops/apps ~/.hecate/gitops/system \\( -name 't-pipe*' -o -name 't-gone*' -o -name 't-aaa*' -o -name 't-noise*' -o -name 't-loop' \\) -delete; true"
        )
    }
}
