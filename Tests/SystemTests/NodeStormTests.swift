import JSON
import Subprocess
import TestSupport
import Testing

extension NodeTests {
    /// People, faults and the agent, all at once and at random; then everything has to be as it is declared.
    ///
    /// `HECATE_TEST_STORM` says how many seconds it lasts, `HECATE_TEST_STORM_SEEDS` which storms are played, such as `1,2`.
    @Suite(.serialized, .enabled(if: runsLongTests, "the nightly run sets HECATE_TEST_LONG=1")) struct Storms {
        private static let seconds = variable("HECATE_TEST_STORM").flatMap { Int($0) } ?? 600
        private static let seeds =
            variable("HECATE_TEST_STORM_SEEDS").map { $0.split(separator: ",").compactMap { UInt64($0) } }
            ?? [UInt64.random(in: 1...999_999)]
        private static let nodes = [false, true].filter {
            variable($0 ? "HECATE_TEST_OLD_NODE" : "HECATE_TEST_NODE") != nil
        }

        @Test(.timeLimit(.minutes(120)), arguments: seeds, nodes)
        func afterAStormEverythingIsAsDeclared(seed: UInt64, isOld: Bool) async throws {
            let node = try Node(isOld: isOld)
            var storm = NodeStorm(node: node, seed: seed)
            print("storm \(seed) on \(node.folder), in full in \(storm.diaryPath)")
            do {
                try await storm.begin()
                try await Self.play(&storm)
            } catch {
                Issue.record("seed \(seed), see \(storm.diaryPath): \(error)")
            }
            try await storm.end()
        }

        private static func play(_ storm: inout NodeStorm) async throws {
            let node = storm.node
            let end = ContinuousClock.now + .seconds(seconds)
            while ContinuousClock.now < end { try await storm.step() }
            let (story, log) = ("seed \(storm.seed); see \(storm.diaryPath)", "\(node.homeOnDisk)/agent.log")

            let atRest = try await settled(&storm)
            #expect(atRest.isEmpty, "\(story) and \(log):\n\(atRest.joined(separator: "\n"))")
            try await storm.compareStillRuns()
            #expect(storm.violations.isEmpty, "\(story) and \(log):\n\(storm.violations.joined(separator: "\n"))")
            #expect(
                try await storm.isForeignUntouched(),
                "\(story): compare ~/.config of the node with what was put there"
            )
            let told = try await events(node)
            let lies = lies(told, storm)
            #expect(lies.isEmpty, "\(story) and \(log):\n\(lies.joined(separator: "\n"))")
            #expect(told.count < 12 * storm.steps + 100, "\(story): \(told.count) events of \(storm.steps) steps")

            try await storm.removeBad()
            let afterwards = try await settled(&storm)
            #expect(afterwards.isEmpty, "\(story) and \(log):\n\(afterwards.joined(separator: "\n"))")
            try await Task.sleep(for: .seconds(10))
            let (before, used) = (node.log, try await ticks(node))
            try await Task.sleep(for: .seconds(60))
            let busy = try await ticks(node) - used
            #expect(
                node.log == before,
                "\(story): nothing happens, and it is told: \(node.log.dropFirst(before.count))"
            )
            #expect(busy < 60, "\(story): the agent takes \(busy) hundredths of a second in a quiet minute")
            await storm.measure()
            let sizes = storm.memory
            #expect((sizes.max() ?? 0) < 80_000, "\(story): the agent's memory in kB over time: \(sizes)")
            print("storm \(storm.seed): \(storm.steps) steps, \(told.count) events, \(busy) ticks, memory \(sizes)")
        }

        /// What is not as it should be once there was time enough; empty when all is.
        private static func settled(_ storm: inout NodeStorm) async throws -> [String] {
            let deadline = ContinuousClock.now + .seconds(90)
            var wrong: [String] = []
            repeat {
                try await Task.sleep(for: .seconds(3))
                wrong = try await Situation(storm.node).violations(of: storm.units)
            } while !wrong.isEmpty && ContinuousClock.now < deadline
            for line in wrong { storm.violation(line) }
            return wrong
        }

        private static func events(_ node: Node) async throws -> [JSON] {
            let result = try await node.hecate("events", "--format", "json", "--limit", "100000")
            return try JSON(parsing: result.output).array ?? []
        }

        /// Processor time of the agent's own, in hundredths of a second.
        private static func ticks(_ node: Node) async throws -> Int {
            let script = "cut -d ' ' -f 14,15 /proc/$(systemctl --user show -p MainPID --value t-agent)/stat"
            return try await node.shell(script).split(separator: " ").compactMap { Int($0) }.reduce(0, +)
        }

        /// Events that say of a unit what was never so.
        private static func lies(_ events: [JSON], _ storm: NodeStorm) -> [String] {
            let bad = ["HealthCheckFailed", "RolledBack", "RollingBack", "TimedOut", "DriftFight"]
            let torn = ["Invalid", "Refused", "NotFound"]
            return events.compactMap { event in
                guard let reason = event["reason"]?.string, let subject = event["subject"]?.string else { return nil }
                let name = subject.split(separator: "/").last.map(String.init) ?? ""
                let text = "\(event.text())"
                // What does not come up with its machine is rightly told.
                if storm.isJustUp(event["time"]?.string ?? "") { return nil }
                if NodeStorm.still.contains(where: { name == "\($0).container" || name == "\($0).service" }) {
                    let isLie = (bad + torn + ["DriftDetected", "DriftRepaired", "Pruned"]).contains(reason)
                    return isLie ? "of what nobody touched: \(text)" : nil
                }
                guard let unit = storm.units.first(where: { $0.units.contains(name) }), unit.wasAlwaysGood else {
                    return nil
                }
                let isLie =
                    bad.contains(reason) && unit.killed == nil || torn.contains(reason) && !unit.wasTorn
                    || reason == "DriftDetected" && !unit.wasTouched
                return isLie ? "of what was always good: \(text)\n\(unit.history.joined(separator: "\n"))" : nil
            }
        }
    }
}

/// How everything on a node is at a moment.
private struct Situation {
    private let node: Node
    private var apps: [String: JSON] = [:]
    private var services: [String: String] = [:]
    private var containers: [String: String] = [:]
    private var links: [String: String] = [:]

    init(_ node: Node) async throws {
        self.node = node
        let listed = try await node.hecate("list", "apps", "--format", "json")
        for app in try JSON(parsing: listed.output).array ?? [] { apps[app["name"]?.string ?? ""] = app }
        let form = "systemctl --user list-units --all --plain --no-legend --no-pager --full 't-*'"
        for line in try await Self.lines(form, node) {
            let words = line.split(separator: " ", maxSplits: 4, omittingEmptySubsequences: true)
            if words.count >= 4 { services[String(words[0])] = String(words[2]) }
        }
        let inspect =
            "podman ps -q | xargs -r podman container inspect -f '{{.Name}} {{.Config.Env}}'; true"
        for line in try await Self.lines(inspect, node) {
            let words = line.split(separator: " ", maxSplits: 1)
            if words.count == 2 { containers[String(words[0])] = String(words[1]) }
        }
        let find = "find .config/containers/systemd .config/systemd/user -type l -printf '%f %l\\n'"
        for line in try await Self.lines(find, node) {
            let words = line.split(separator: " ", maxSplits: 1)
            if words.count == 2, words[1].contains("/.hecate/gitops/") { links[String(words[0])] = String(words[1]) }
        }
    }

    private static func lines(_ script: String, _ node: Node) async throws -> [Substring] {
        try await node.user("sh", "-c", script).outputText.split(separator: "\n")
    }

    func violations(of units: [StormUnit]) async throws -> [String] {
        var wrong: [String] = []
        var declared: Set<String> = Set(NodeStorm.still.flatMap { ["\($0).container", "\($0).service"] })
        for unit in units where unit.folder != nil {
            declared.formUnion(unit.units)
            declared.formUnion(unit.units.map { $0.replacing(".container", with: ".service") } + [unit.service])
            guard let fault = try await fault(of: unit) else { continue }
            wrong.append(
                "\(unit.unit) (\(unit.sort) \(unit.version)) \(fault)\n\(unit.history.joined(separator: "\n"))"
            )
        }
        for name in NodeStorm.still where services["\(name).service"] != "active" {
            wrong.append("\(name) is \(services["\(name).service"] ?? "not there")")
        }
        for (name, state) in services.sorted(by: { $0.key < $1.key }) {
            let isOther = declared.contains(name) || name.hasPrefix("t-foreign") || name == "t-agent.service"
            if isOther || ["inactive", "failed"].contains(state) { continue }
            wrong.append("\(name) is \(state) and nobody declares it")
        }
        for name in containers.keys.sorted() where name.hasPrefix("systemd-t-") || name.hasPrefix("t-") {
            let service = "\(name.replacing("systemd-", with: "").replacing("-infra", with: "-pod")).service"
            if declared.contains(service) || name.hasPrefix("systemd-t-foreign") { continue }
            wrong.append("the container \(name) runs and nobody declares it")
        }
        for (name, target) in links.sorted(by: { $0.key < $1.key })
        where !name.hasSuffix(".d") && !name.hasPrefix("env-") {
            if !declared.contains(name) {
                wrong.append("the link \(name) to \(target) is left of what nobody declares")
            }
        }
        for name in apps.keys.sorted()
        where name.hasPrefix("t-s") && !name.hasPrefix("t-still") && !declared.contains(name) {
            wrong.append("\(name) is listed and nobody declares it: \(apps[name]?.text() ?? "")")
        }
        return wrong
    }

    /// What is wrong with a declared unit.
    private func fault(of unit: StormUnit) async throws -> String? {
        guard let app = apps[unit.unit] else { return "is not listed" }
        let ready = app["conditions"]?.array?.first { $0["type"]?.string == "Ready" }
        let words = "\(ready?["reason"]?.string ?? "?"): \(ready?["message"]?.string ?? "")"
        let isReady = app["ready"]?.bool ?? false
        if unit.law == .bad {
            if isReady { return "cannot work and is called ready: \(app.text())" }
            return (ready?["message"]?.string ?? "").isEmpty ? "cannot work, and nobody says why: \(app.text())" : nil
        }
        // Nobody can tell such a death from a revision's own.
        if let killed = unit.killed, killed > unit.changed, killed - unit.changed < .seconds(20) { return nil }
        if !isReady { return "is good and not ready: \(app.text())" }
        if unit.sort == .pod, apps["\(unit.stem)-member.container"]?["ready"]?.bool != true {
            return "has a member that is not ready: \(apps["\(unit.stem)-member.container"]?.text() ?? "nothing")"
        }
        let state = services[unit.service] ?? "not there"
        // What Podman keeps is made once: after a boot it is there, and nothing has to run for it.
        guard unit.law == .up, ![.volume, .network].contains(unit.sort) else { return nil }
        if state != "active" { return "is called ready (\(words)) and its service is \(state)" }
        guard let process = unit.process else { return nil }
        let environment: String
        if process.isContainer {
            environment = containers["systemd-\(process.name)"] ?? containers[process.name] ?? "no container"
        } else {
            let script = "tr '\\0' ' ' </proc/$(systemctl --user show -p MainPID --value \(process.name))/environ"
            environment = try await node.user("sh", "-c", script).outputText
        }
        let pieces = environment.split { " []\n".contains($0) }
        return pieces.contains("STORM=\(unit.version)")
            ? nil : "runs with something else than is declared: \(environment)"
    }
}
