import Delivery
import JSON
import Testing

@testable import Swarm

@Suite struct HealthTests {
    private func service(_ mode: JSON, update: JSON? = nil, restart: JSON = [:]) throws -> ObservedService {
        var json: JSON = [
            "ID": "s1", "Version": ["Index": 5],
            "Spec": [
                "Name": "web_a", "Mode": mode,
                "TaskTemplate": ["ContainerSpec": ["Image": "x:2"], "RestartPolicy": restart],
            ],
        ]
        if let update { json["UpdateStatus"] = update }
        return try #require(ObservedService(json))
    }

    private func task(
        _ state: String,
        desired: String = "running",
        image: String = "x:2",
        at second: Int = 30,
        error: String = "",
        slot: Int64 = 1
    ) throws -> ObservedTask {
        try #require(
            ObservedTask([
                "ID": "t", "ServiceID": "s1", "Slot": .int(slot), "DesiredState": .string(desired),
                "Status": [
                    "State": .string(state), "Err": .string(error), "Timestamp": .string("2026-01-01T00:00:\(second)Z"),
                ],
                "Spec": ["ContainerSpec": ["Image": .string(image)]],
            ])
        )
    }

    private let mark = "2026-01-01T00:00:20Z"

    private func judge(_ service: ObservedService, _ tasks: [ObservedTask], canTurnBack: Bool = true) -> Health {
        StackHealth(services: [service], tasks: tasks, mark: mark, canTurnBack: canTurnBack).verdict().health
    }

    private func isFailed(_ health: Health) -> Bool { if case .failed = health { true } else { false } }

    @Test func asManyAsWantedRun() throws {
        let two = try service(["Replicated": ["Replicas": 2]])
        #expect(judge(two, [try task("running"), try task("running", slot: 2)]) == .healthy(runsNothing: false))
        #expect(
            judge(two, [try task("running"), try task("starting", slot: 2)])
                == .progressing("service web_a: 1 of 2 running, 1 starting")
        )
    }

    @Test func zeroReplicasAreDone() throws {
        #expect(judge(try service(["Replicated": ["Replicas": 0]]), []) == .healthy(runsNothing: true))
    }

    @Test func oldTasksThatStillRunAreNotTheNewRevision() throws {
        let one = try service(["Replicated": ["Replicas": 1]])
        #expect(judge(one, [try task("running", image: "x:1")]) == .progressing("service web_a: 0 of 1 running"))
    }

    @Test(arguments: ["paused", "rollback_started", "rollback_completed", "rollback_paused"])
    func whatSwarmRolledBackOrPausedHasFailed(state: String) throws {
        let update: JSON = ["State": .string(state), "StartedAt": "2026-01-01T00:00:25Z", "Message": "m"]
        #expect(isFailed(judge(try service(["Replicated": [:]], update: update), [try task("running")])))
    }

    @Test func anOldUpdateStatusIsNoNews() throws {
        let update: JSON = ["State": "rollback_completed", "StartedAt": "2026-01-01T00:00:05Z"]
        #expect(
            judge(try service(["Replicated": [:]], update: update), [try task("running")])
                == .healthy(runsNothing: false)
        )
    }

    @Test func threeFailuresAreEnoughWhenThereIsAWayBack() throws {
        let one = try service(["Replicated": [:]])
        let failures = try (0..<3).map {
            try task("failed", desired: "shutdown", at: 31 + $0, error: "task: non-zero exit (1)")
        }
        #expect(isFailed(judge(one, failures)))
        #expect(!isFailed(judge(one, failures, canTurnBack: false)))
        #expect(!isFailed(judge(one, Array(failures.prefix(2)))))
    }

    @Test func failuresBeforeTheDeploymentOrOfAnotherSpecificationDoNotCount() throws {
        let one = try service(["Replicated": [:]])
        let old = try (0..<4).map { _ in try task("failed", at: 10) }
        let other = try (0..<4).map { _ in try task("failed", image: "x:1") }
        #expect(judge(one, old + other + [try task("running")]) == .healthy(runsNothing: false))
    }

    @Test func aMissingImageIsSaidSo() throws {
        let rejected = try (0..<3).map { try task("rejected", at: 31 + $0, error: "No such image: x:2") }
        guard case .failed(let failure) = judge(try service(["Replicated": [:]]), rejected, canTurnBack: false) else {
            Issue.record("not failed")
            return
        }
        #expect(failure.message == "service web_a failed 3 times: task web_a.1 rejected: No such image: x:2")
    }

    @Test func jobsAndOneShotsAreDoneWhenTheyCompleted() throws {
        let job = try service(["ReplicatedJob": ["TotalCompletions": 1]])
        #expect(judge(job, [try task("complete", desired: "complete")]) == .healthy(runsNothing: true))
        #expect(judge(job, []) == .progressing("job web_a: 0 of 1 completed"))
        let once = try service(["Replicated": [:]], restart: ["Condition": "none"])
        #expect(judge(once, [try task("complete", desired: "shutdown")]) == .healthy(runsNothing: true))
        #expect(isFailed(judge(once, [try task("failed", desired: "shutdown")])))
    }

    @Test func logFramesAreUnpacked() {
        let frame: [UInt8] =
            [1, 0, 0, 0, 0, 0, 0, 6] + Array("one\ntw".utf8) + [2, 0, 0, 0, 0, 0, 0, 2] + Array("o\n".utf8)
        #expect(logLines(frame) == ["one", "two"])
    }
}
