import JSON
import SimulatedEngine
import Testing

/// What becomes of tasks.
@Suite struct UpdateTests {
    private func policy(_ action: String, order: String = "stop-first") -> (inout JSON) -> Void {
        { spec in
            spec["UpdateConfig"] = [
                "Parallelism": 1, "Monitor": 5_000_000_000, "FailureAction": .string(action), "Order": .string(order),
            ]
        }
    }

    @Test func anUpdateReplacesOneTaskAfterTheOther() {
        let world = World()
        world.create("web")
        world.pass(seconds: 5)
        #expect(world.states(of: "web") == ["running/running", "running/running"])
        world.update("web", "good:2")
        world.pass(seconds: 1)
        #expect(world.status(of: "web") == "updating")
        world.pass(seconds: 20)
        #expect(world.status(of: "web") == "completed")
        #expect(
            world.states(of: "web").sorted() == Array(repeating: "running/running", count: 2)
                + Array(repeating: "shutdown/shutdown", count: 2)
        )
    }

    @Test func anUpdateThatCrashesIsPausedAndTheOtherTaskGoesOn() {
        let world = World()
        world.create("web")
        world.pass(seconds: 5)
        world.update("web", "crash:0", policy("pause"))
        world.pass(seconds: 60)
        #expect(world.status(of: "web") == "paused")
        let message = world.call("GET", "/services/web").body["UpdateStatus"]?["Message"]?.string ?? ""
        #expect(message.hasPrefix("update paused due to failure or early termination of task "))
    }

    @Test func anUpdateThatCrashesIsRolledBackToTheRevisionBefore() {
        let world = World()
        world.create("web")
        world.pass(seconds: 5)
        world.update("web", "crash:1", policy("rollback"))
        world.pass(seconds: 60)
        #expect(world.status(of: "web") == "rollback_completed")
        let service = world.call("GET", "/services/web").body
        #expect(service["Spec"]?["TaskTemplate"]?["ContainerSpec"]?["Env"] == ["SIM=good"])
        #expect(service["PreviousSpec"] == nil)
        #expect(world.states(of: "web").count { $0 == "running/running" } == 2)
    }

    @Test func startFirstNeverRunsFewerThanBefore() {
        let world = World()
        world.create("web")
        world.pass(seconds: 5)
        world.update("web", "slow:3", policy("pause", order: "start-first"))
        for _ in 0..<300 {
            world.pass(seconds: 0.1)
            #expect(world.states(of: "web").count { $0.hasPrefix("running") } >= 2)
        }
        #expect(world.status(of: "web") == "completed")
    }

    @Test func theHistoryOfASlotIsFiveTasks() {
        let world = World()
        world.create("web", "crash:1") { $0["TaskTemplate"]?["RestartPolicy"] = ["Delay": 500_000_000] }
        world.pass(seconds: 60)
        // Swarm tidies up a moment after it has made the next one.
        #expect((10...12).contains(world.states(of: "web").count))
        #expect(world.with { $0.taskRecords.count } > 40)
    }

    @Test func restartsEndAfterTheAttemptsAllowed() {
        let world = World()
        world.create("web", "crash:1") {
            $0["Mode"] = ["Replicated": ["Replicas": 1]]
            $0["TaskTemplate"]?["RestartPolicy"] = ["Delay": 1_000_000_000, "MaxAttempts": 2]
        }
        world.pass(seconds: 60)
        #expect(world.states(of: "web") == Array(repeating: "failed/shutdown", count: 3))
    }

    @Test func aServiceWaitsForWhatItNeeds() {
        let world = World()
        world.create("shop_web", "needs:db") { $0["TaskTemplate"]?["RestartPolicy"] = ["Delay": 1_000_000_000] }
        world.pass(seconds: 12)
        #expect(
            !world.states(of: "shop_web").contains { $0 == "running/running" } || world.states(of: "shop_web").count > 2
        )
        world.create("shop_db", "slow:5")
        world.pass(seconds: 20)
        #expect(world.states(of: "shop_web").count { $0 == "running/running" } == 2)
        let before = world.states(of: "shop_web").count
        world.pass(seconds: 20)
        #expect(world.states(of: "shop_web").count == before)
    }

    @Test func aJobRunsAgainWithEachUpdate() {
        let world = World()
        let job: (inout JSON) -> Void = { $0["Mode"] = ["ReplicatedJob": ["MaxConcurrent": 1, "TotalCompletions": 2]] }
        world.create("job", "exit:0:1", job)
        world.pass(seconds: 20)
        #expect(world.states(of: "job") == ["complete/complete", "complete/complete"])
        world.update("job", "exit:0:1", job)
        world.pass(seconds: 20)
        #expect(world.states(of: "job") == ["complete/complete", "complete/complete"])
        #expect(world.with { $0.taskRecords.count } == 4)
    }

    @Test func tasksLeaveANodeThatIsDown() {
        let world = World()
        world.with { engine in
            engine.addNode("other")
            engine.addNode("third")
        }
        world.create("web") { $0["TaskTemplate"]?["Placement"] = ["Constraints": ["node.role == worker"]] }
        world.pass(seconds: 5)
        #expect(Set(world.with { $0.tasks(ofService: "web").map(\.node) }) == ["other", "third"])
        world.with { $0.setNode("other", isUp: false) }
        world.pass(seconds: 40)
        let live = world.with { $0.tasks(ofService: "web").filter { $0.desired == .running } }
        #expect(live.map(\.node) == ["third", "third"])
        #expect(live.allSatisfy { $0.state == .running })
        world.with { $0.setNode("other", isUp: true) }
        world.pass(seconds: 10)
        #expect(!world.states(of: "web").contains("running/shutdown"))
    }

    @Test func noSuitableNodeIsSaid() {
        let world = World()
        world.create("web") { $0["TaskTemplate"]?["Placement"] = ["Constraints": ["node.labels.disk == ssd"]] }
        world.pass(seconds: 5)
        let task = world.call("GET", "/tasks", filters: ["service": ["web"]]).body.array?.first
        #expect(task?["Status"]?["State"] == "pending")
        #expect(task?["Status"]?["Err"] == "no suitable node (scheduling constraints not satisfied on 1 node)")
    }

    @Test func aMissingImageIsRejectedAgainAndAgain() {
        let world = World()
        world.create("web") { $0["TaskTemplate"]?["ContainerSpec"]?["Image"] = "missing:1" }
        world.pass(seconds: 16)
        let states = world.with { $0.tasks(ofService: "web").filter { $0.slot == 1 }.map(\.state) }
        #expect(states.count == 5 && states.allSatisfy { $0 == .rejected }, "\(states)")
        #expect(world.with { $0.taskRecords.first?.error } == "No such image: missing:1")
    }

    @Test func whatTurnsUnhealthyIsReplaced() {
        let world = World()
        world.create("web", "sick:10") { $0["Mode"] = ["Replicated": ["Replicas": 1]] }
        world.pass(seconds: 9)
        #expect(world.states(of: "web") == ["running/running"])
        world.pass(seconds: 6)
        #expect(world.states(of: "web").first == "complete/shutdown")
    }

    @Test func aRestartedEngineReplacesItsContainers() {
        let world = World()
        world.create("web")
        world.pass(seconds: 5)
        world.with { $0.restart(downFor: 5_000_000_000) }
        #expect(world.with { $0.isDown })
        world.pass(seconds: 30)
        #expect(world.with { !$0.isDown })
        #expect(
            world.states(of: "web").sorted() == [
                "failed/shutdown", "failed/shutdown", "running/running", "running/running",
            ]
        )
    }

    @Test func equalSeedsGiveEqualWorlds() {
        func history(_ seed: UInt64) -> [TaskRecord.Change] {
            let world = World(seed: seed)
            world.create("web", "crash:3")
            world.pass(seconds: 100)
            world.update("web", "good")
            world.pass(seconds: 100)
            return world.with { $0.taskRecords.flatMap(\.history) }
        }
        #expect(history(3) == history(3))
        #expect(history(3) != history(4))
    }
}
