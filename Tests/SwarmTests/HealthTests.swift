import Delivery
import JSON
import Testing

@testable import Swarm

/// Stacks and task histories as a real Engine gives them: indexes, states and desired states were read off one.
@Suite struct HealthTests {
    /// What had happened when the deployment began.
    let mark = StackMark(text: "index 100")

    func service(
        _ name: String = "web",
        _ mode: JSON = ["Replicated": ["Replicas": 1]],
        version: Int64 = 110,
        image: String = "x:2",
        before: String? = "x:1",
        restart: JSON = [:],
        update: JSON? = nil,
        check: JSON? = nil
    ) -> ObservedService {
        func spec(_ image: String) -> JSON {
            var container: JSON = ["Image": .string(image)]
            if let check { container["Healthcheck"] = check }
            return [
                "Name": .string("s_\(name)"), "Mode": mode,
                "TaskTemplate": ["ContainerSpec": container, "RestartPolicy": restart],
            ]
        }
        var json: JSON = ["ID": .string(name), "Version": ["Index": .int(version)], "Spec": spec(image)]
        if let before { json["PreviousSpec"] = spec(before) }
        if let update { json["UpdateStatus"] = update }
        guard let service = ObservedService(json) else { preconditionFailure("a service that cannot be read") }
        return service
    }

    func task(
        _ state: String,
        _ desired: String = "running",
        at version: Int64 = 120,
        of service: String = "web",
        id: String? = nil,
        image: String = "x:2",
        error: String = "",
        exitCode: Int64 = 0,
        slot: Int64 = 1,
        check: JSON? = nil
    ) -> ObservedTask {
        var container: JSON = ["Image": .string(image)]
        if let check { container["Healthcheck"] = check }
        let json: JSON = [
            "ID": .string(id ?? "\(service)-\(slot)-\(version)"), "ServiceID": .string(service),
            "Version": ["Index": .int(version)], "Slot": .int(slot), "DesiredState": .string(desired),
            "Status": [
                "State": .string(state), "Err": .string(error), "ContainerStatus": ["ExitCode": .int(exitCode)],
            ],
            "Spec": ["ContainerSpec": container],
        ]
        guard let task = ObservedTask(json) else { preconditionFailure("a task that cannot be read") }
        return task
    }

    /// A slot whose task fails again and again, and the task that is to follow.
    func crashes(_ count: Int, from version: Int64 = 120, of service: String = "web") -> [ObservedTask] {
        let failed = (0..<Int64(count)).map {
            task("failed", "shutdown", at: version + $0 * 10, of: service, error: "task: non-zero exit (1)")
        }
        return failed + [task("ready", "ready", at: version + Int64(count) * 10 + 1, of: service)]
    }

    func judge(
        _ services: [ObservedService],
        _ tasks: [ObservedTask],
        mark: StackMark? = StackMark(text: "index 100"),
        dependsOn: [String: [String]] = [:],
        pending: Set<String> = [],
        hasEarlierRevision: Bool = true
    ) -> Health {
        health(services, tasks, mark, dependsOn, pending, hasEarlierRevision).verdict().health
    }

    func health(
        _ services: [ObservedService],
        _ tasks: [ObservedTask],
        _ mark: StackMark?,
        _ dependsOn: [String: [String]],
        _ pending: Set<String>,
        _ hasEarlierRevision: Bool
    ) -> StackHealth {
        StackHealth(
            services: services,
            tasks: tasks,
            desired: services.map {
                DesiredService(name: $0.name, key: "", spec: .null, dependsOn: dependsOn[$0.name] ?? [])
            },
            mark: mark,
            pending: pending,
            hasEarlierRevision: hasEarlierRevision
        )
    }

    func message(_ health: Health) -> String? {
        if case .failed(let failure) = health { failure.message } else { nil }
    }

    let migration: JSON = ["Condition": "on-failure"]

    // MARK: What runs

    @Test func asManyAsWantedRun() {
        let two = service("web", ["Replicated": ["Replicas": 2]])
        #expect(judge([two], [task("running"), task("running", slot: 2)]) == .healthy(runsNothing: false))
        #expect(
            judge([two], [task("running"), task("starting", slot: 2)])
                == .progressing("service s_web: 1 of 2 running, 1 starting")
        )
    }

    @Test func zeroReplicasAreDone() {
        #expect(judge([service("web", ["Replicated": ["Replicas": 0]])], []) == .healthy(runsNothing: true))
    }

    @Test func oldTasksThatStillRunAreNotTheNewRevision() {
        #expect(
            judge([service()], [task("running", image: "x:1")])
                == .progressing("service s_web: 0 of 1 running")
        )
    }

    @Test func aServiceThatIsNotThereYetIsWaitedFor() {
        let health = StackHealth(
            services: [],
            tasks: [],
            desired: [DesiredService(name: "s_web", key: "web", spec: .null)],
            mark: mark,
            pending: [],
            hasEarlierRevision: true
        )
        #expect(health.verdict().health == .progressing("service s_web is not there yet"))
    }

    @Test func aServiceThatIsNoLongerDeclaredIsLeftOutOfAccount() {
        let health = StackHealth(
            services: [service("old")],
            tasks: crashes(4, of: "old"),
            desired: [],
            mark: mark,
            pending: [],
            hasEarlierRevision: true
        )
        #expect(health.verdict().health == .healthy(runsNothing: true))
    }

    // MARK: What Swarm says

    @Test(arguments: ["rollback_started", "rollback_completed", "rollback_paused"])
    func whatSwarmRolledBackHasFailed(state: String) {
        let web = service(
            version: 130,
            image: "x:1",
            before: "x:2",
            update: ["State": .string(state), "Message": "m"]
        )
        let tasks = [task("failed", "shutdown", error: "boom"), task("running", at: 129, image: "x:1")]
        #expect(
            message(judge([web], tasks, pending: ["s_web"]))
                == "service s_web: Swarm rolled the update back: task s_web.1 failed: boom"
        )
    }

    /// On the way back Swarm may have done it all by itself already.
    @Test func whatSwarmRolledBackToWhatIsDeclaredIsNoFailure() {
        let running = [task("running", at: 129, image: "x:1")]
        func web(_ state: String) -> ObservedService {
            service(version: 130, image: "x:1", before: "x:2", update: ["State": .string(state)])
        }
        #expect(judge([web("rollback_completed")], running) == .healthy(runsNothing: false))
        #expect(judge([web("rollback_started")], running) == .settling("Swarm watches the update of service s_web"))
        #expect(message(judge([web("rollback_paused")], running)) != nil)
    }

    @Test func aPausedUpdateHasFailed() {
        let web = service(version: 130, update: ["State": "paused", "Message": "m"])
        #expect(message(judge([web], [task("running")])) == "service s_web: Swarm paused the update: m")
    }

    @Test func whatSwarmSaidBeforeTheDeploymentIsNoNews() {
        for state in ["paused", "rollback_completed"] {
            let web = service(version: 100, update: ["State": .string(state)])
            #expect(judge([web], [task("running", at: 90)]) == .healthy(runsNothing: false))
        }
    }

    @Test func anUpdateThatSwarmStillWatchesSettles() {
        let web = service(update: ["State": "updating"])
        #expect(judge([web], [task("running")]) == .settling("Swarm watches the update of service s_web"))
    }

    // MARK: Failures

    @Test func threeFailuresOfASlotAreEnoughWhenThereIsAnEarlierRevision() {
        let web = service()
        #expect(
            message(judge([web], crashes(3)))
                == "service s_web failed 3 times: task s_web.1 failed: task: non-zero exit (1)"
        )
        #expect(
            judge([web], crashes(2))
                == .progressing(
                    "service s_web: 0 of 1 running; last failure: task s_web.1 failed: task: non-zero exit (1)"
                )
        )
    }

    @Test func aFirstDeploymentIsGivenItsTime() {
        let web = service(before: nil)
        #expect(message(judge([web], crashes(5), hasEarlierRevision: false)) == nil)
        let rejected = (0..<5).map {
            task("rejected", "shutdown", at: 120 + $0, error: "No such image: x:2")
        }
        let next = task("rejected", "ready", at: 130, error: "No such image: x:2")
        #expect(message(judge([web], rejected + [next], hasEarlierRevision: false)) == nil)
        #expect(
            message(judge([web], rejected + [next]))
                == "service s_web failed 6 times: task s_web.1 rejected: No such image: x:2"
        )
    }

    @Test func nothingFollowsATaskThatIsNotStartedAgain() {
        let once = service(before: nil, restart: ["Condition": "none"])
        let failed = task("failed", "shutdown", error: "boom")
        #expect(
            message(judge([once], [failed], hasEarlierRevision: false))
                == "service s_web failed: task s_web.1 failed: boom"
        )
        // The one that follows is made together with the end of the one before.
        let twice = service(before: nil, restart: ["Condition": "on-failure", "MaxAttempts": 2])
        #expect(message(judge([twice], crashes(2), hasEarlierRevision: false)) == nil)
        let all = crashes(3).dropLast()
        #expect(message(judge([twice], Array(all), hasEarlierRevision: false))?.contains("failed 3 times") == true)
    }

    /// Only five ended tasks of a slot are kept, so failures cannot be counted up to many attempts.
    @Test func attemptsAreUsedUpThoughNotAllFailuresAreKept() {
        let many = service(before: nil, restart: ["Condition": "any", "MaxAttempts": 20])
        #expect(message(judge([many], Array(crashes(5).dropLast()), hasEarlierRevision: false)) != nil)
        #expect(message(judge([many], crashes(5), hasEarlierRevision: false)) == nil)
    }

    @Test func failuresOfAnotherSpecificationDoNotCount() {
        let other = (0..<4).map { task("failed", "shutdown", at: 120 + $0, image: "x:1") }
        #expect(judge([service()], other + [task("running")]) == .healthy(runsNothing: false))
    }

    @Test func failuresBeforeTheDeploymentDoNotCountAgainstTheNextCommit() {
        let old = service(version: 50)
        #expect(judge([old], crashes(4, from: 60)) == .progressing("service s_web: 0 of 1 running"))
        #expect(message(judge([old], crashes(4, from: 110))) != nil)
        // Back to a specification whose tasks failed once: those are of the same make and still do not count.
        #expect(message(judge([service()], crashes(4, from: 60))) == nil)
    }

    /// An Engine that is started again writes all its ended tasks once more, with new indexes and times.
    @Test func tasksThatHadEndedAreRecognisedAfterARestartOfTheEngine() {
        let web = service(version: 50)
        let before = (0..<4).map { task("failed", "shutdown", at: 60 + $0 * 10, id: "t\($0)") }
        let began = StackMark(services: [web], tasks: before + [task("running", at: 95, id: "t9")])
        #expect(began.index == 95)
        let after = (0..<4).map { task("failed", "shutdown", at: 1367, id: "t\($0)") }
        #expect(message(judge([web], after, mark: began)) == nil)
        #expect(judge([web], after + [task("running", at: 1377)], mark: began) == .healthy(runsNothing: false))
    }

    /// An Engine that was killed finds its containers dead as it starts, one after the other, and Swarm pauses the update.
    @Test func whatDiesWithTheEngineCountsAgainstNobody() {
        let paused = service(update: ["State": "paused", "Message": "update paused due to failure"])
        let there = [task("running", at: 120, id: "there"), task("preparing", "ready", at: 121, slot: 2)]
        let late = StackMark(text: "index 100 \(StackMark.sparing(there))")
        let error = "error while removing network: unknown network s_default id r29nnzbgsznm"
        let lost = task("failed", "shutdown", at: 130, id: "there", error: error, exitCode: 255)
        #expect(judge([paused], [lost, task("running", at: 131)], mark: late) == .healthy(runsNothing: false))
        #expect(message(judge([paused], [lost], mark: late)) == nil)
        // Without a silence it is as any other failure, and so is one that no Engine causes.
        #expect(message(judge([paused], [lost])) != nil)
        let bad = task("failed", "shutdown", at: 130, id: "there", error: "task: non-zero exit (1)", exitCode: 1)
        #expect(message(judge([paused], [bad], mark: late)) != nil)
        // What had failed already when the Engine came to itself is excused, whatever it died of.
        let early = StackMark(text: "index 100 \(StackMark.sparing([bad]))")
        #expect(message(judge([paused], [bad], mark: early)) == nil)
        let returned = service(update: ["State": "rollback_completed", "Message": "rollback completed"])
        #expect(message(judge([returned], [bad], mark: early, pending: ["s_web"])) == nil)
        #expect(message(judge([returned], [bad], mark: late, pending: ["s_web"])) != nil)
        // Whoever fails by itself afterwards is named all the same.
        #expect(message(judge([service()], [lost] + crashes(3, from: 140), mark: late)) != nil)
    }

    @Test func whatEndedAndShouldNotHaveIsAFailure() {
        let tasks = [
            task("failed", "shutdown", id: "a"), task("complete", "shutdown", id: "b"), task("running", id: "c"),
            task("shutdown", "shutdown", id: "d"), task("failed", "shutdown", id: "e", image: "x:1"),
            task("complete", "shutdown", of: "job", id: "f"),
        ]
        let services = [service(), service("job", restart: ["Condition": "none"])]
        let observed = ObservedStack(services: services, tasks: tasks)
        #expect(observed.failures(of: ["s_web", "s_job"]) == "a b")
        #expect(observed.failures(of: ["s_job"]) == "", "what is not declared may be as it likes")
    }

    /// A worker's Engine was killed and started again while the manager answered all the time: whatever ran there died at
    /// once, what was there before the update as well.
    @Test func whatDiesWithTheEngineOfAWorkerCountsAgainstNobody() {
        let mode: JSON = ["Replicated": ["Replicas": 4]]
        let paused = service("web", mode, update: ["State": "paused", "Message": "update paused due to failure"])
        let error = "task: non-zero exit (255)"
        var tasks = [
            task("failed", "shutdown", at: 130, id: "new", error: error, exitCode: 255, slot: 2),
            task("failed", "shutdown", at: 131, id: "old", image: "x:1", error: error, exitCode: 255, slot: 4),
        ]
        for index in tasks.indices { tasks[index].nodeID = "worker" }
        tasks += [
            task("running", at: 90, image: "x:1"), task("running", at: 140, slot: 2), task("running", at: 125, slot: 3),
            task("running", at: 141, slot: 4),
        ]
        #expect(message(judge([paused], tasks)) == nil)
        // What ends like that by itself does so at another time.
        tasks[1].time = "2026-01-01T00:00:00Z"
        tasks[0].time = "2026-01-01T00:00:20Z"
        #expect(message(judge([paused], tasks)) != nil)
    }

    /// The registry named the digest, and could not be reached when the node asked for it.
    @Test func anImageThatCannotBePulledNowIsNoFaultOfTheRevision() {
        let image = "registry:5000/x:2@sha256:\(String(repeating: "0123456789abcdef", count: 4))"
        let paused = service(image: image, update: ["State": "paused", "Message": "update paused due to failure"])
        let refused = (0..<3).map { index in
            task("rejected", "shutdown", at: 120 + index * 10, image: image, error: "No such image: \(image)")
        }
        let next = task("ready", "ready", at: 151, image: image)
        #expect(message(judge([paused], [refused[0], next])) == nil)
        #expect(message(judge([service(image: image)], refused + [next])) == nil)
    }

    /// Read off an Engine whose only node was drained, and was active again.
    @Test func whatNoNodeTakesIsHeldAndWhatNoNodeSuitsIsNot() {
        func pending(_ why: String, slot: Int64 = 1) -> ObservedTask {
            task("pending", at: 121, error: "no suitable node (\(why))", slot: slot)
        }
        func isHeld(_ tasks: [ObservedTask]) -> Bool {
            if case .held = judge([service()], tasks) { true } else { false }
        }
        #expect(isHeld([pending("1 node not available for new tasks")]))
        #expect(isHeld([pending("3 nodes not available for new tasks")]))
        #expect(!isHeld([pending("scheduling constraints not satisfied on 1 node")]))
        #expect(!isHeld([pending("insufficient resources on 1 node; 2 nodes not available for new tasks")]))
        #expect(!isHeld([pending("2 nodes not available for new tasks; insufficient resources on 1 node")]))
        #expect(!isHeld([pending("1 node not available for new tasks"), task("preparing", slot: 2)]))
        #expect(!isHeld([task("running")]))
    }

    /// Between its end and its next start a task is not to run yet, and the Engine says that none is wanted.
    @Test func aGlobalServiceThatEndsAgainAndAgainIsNotHealthyInBetween() {
        let everywhere = service("web", ["Global": [:]], before: nil)
        let health = judge([everywhere], crashes(1), hasEarlierRevision: false)
        guard case .progressing = health else {
            Issue.record("\(health)")
            return
        }
    }

    /// A database could not be created at first, and what needs it failed meanwhile.
    @Test func whatFailedBeforeAllWasAppliedDoesNotCount() {
        let paused = service(version: 130, update: ["State": "paused", "Message": "update paused due to failure"])
        let failed = task("failed", "shutdown", at: 125, error: "task: non-zero exit (1)", exitCode: 1)
        let mark = StackMark(text: "index 100 since index 140 ended abc spared def")
        #expect(mark.completed == 140 && mark.ended.isEmpty && mark.spared == ["def"])
        #expect(StackMark(text: mark.text) == mark)
        #expect(judge([paused], [failed, task("running", at: 150)], mark: mark) == .healthy(runsNothing: false))
        #expect(message(judge([paused], [failed], mark: mark)) == nil)
        #expect(message(judge([paused], [failed])) != nil)
        #expect(message(judge([service()], crashes(3, from: 150), mark: mark)) != nil)
    }

    /// The Engine was away while a migration was made; nothing of it is done before a task has ended.
    @Test func aMigrationIsNotDoneBeforeItRan() {
        let migration = service(version: 110, before: nil, restart: ["Condition": "none"])
        let late = StackMark(text: "index 100 \(StackMark.sparing([]))")
        #expect(judge([migration], [], mark: late) != .healthy(runsNothing: true))
        let ran = task("complete", "shutdown", at: 130, id: "ran")
        let spared = StackMark(text: "index 100 \(StackMark.sparing([ran]))")
        #expect(judge([migration], [ran], mark: spared) == .healthy(runsNothing: true))
    }

    @Test func aServiceThatIsStillToBeChangedIsWaitedFor() {
        let web = service(version: 50)
        #expect(
            judge([web], crashes(5, from: 120), pending: ["s_web"])
                == .progressing("service s_web is not yet as declared")
        )
    }

    // MARK: Outside a deployment

    @Test func outsideADeploymentCrashesAreOnTheirWay() {
        let web = service(update: ["State": "paused"])
        #expect(
            judge([web], crashes(5), mark: nil)
                == .progressing(
                    "service s_web: 0 of 1 running; last failure: task s_web.1 failed: task: non-zero exit (1)"
                )
        )
        #expect(judge([web], [task("running")], mark: nil) == .healthy(runsNothing: false))
    }

    @Test func outsideADeploymentWhatCompletedIsHealthy() {
        let once = service(restart: migration)
        #expect(judge([once], [task("complete", "shutdown")], mark: nil) == .healthy(runsNothing: true))
        #expect(judge([once], [], mark: nil) == .healthy(runsNothing: true))
    }

    // MARK: The mark

    @Test func aMarkReadsBackAsItWas() {
        let tasks = [
            task("failed", "shutdown", at: 4711, id: "0icu7q1kivflxxmp6ksdm9pe3u"),
            task("running", at: 4700, id: "b1znt0"),
        ]
        let mark = StackMark(services: [service(version: 4000)], tasks: tasks)
        #expect(mark.text == "index 4711 ended 0icu7q1kivfl")
        #expect(StackMark(text: mark.text) == mark)
        #expect(StackMark(text: "index 4711") == StackMark(services: [service(version: 4711)], tasks: []))
        #expect(StackMark(services: [], tasks: []).text == "index 0")
    }

    @Test(arguments: ["", "2026-01-01T00:00:20Z", "index", "index x", "index -1"])
    func ofAMarkThatCannotBeReadNothingIsKnownToHaveHappenedAfterIt(text: String) {
        let mark = StackMark(text: text)
        #expect(mark.index == nil)
        #expect(message(judge([service()], crashes(5), mark: mark)) == nil)
        #expect(judge([service()], [task("running")], mark: mark) == .healthy(runsNothing: false))
    }
}
