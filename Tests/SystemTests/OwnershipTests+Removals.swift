import JSON
import Subprocess
import TestSupport
import Testing

/// Removals inside an app: told first, guarded, and never of what another stack uses.
extension OwnershipTests {
    @Test(.timeLimit(.minutes(2))) func aDroppedServiceGoesAfterHealthAndAnEmptyFileIsRefused() async throws {
        let fleet = try await Fleet(verify: "2s")
        let stacks = ["{name: PREFIXa, compose_file: a.yml}"]
        try await fleet.commit(stacks: stacks, ["a.yml": sleeper(services: ["one", "two", "three"])])
        try await fleet.running {
            try await fleet.settled("a")
            try await fleet.commit(["a.yml": sleeper("A: 2", services: ["one", "two"])])
            try await fleet.eventually("the new one is there") { try await fleet.environment("a")["two"] == "A=2" }
            #expect(try await fleet.services("a")["three"] != nil, "it goes last")
            try await fleet.eventually("it goes") { try await fleet.services("a")["three"] == nil }
            try await fleet.eventually("it is told") {
                fleet.log.contains("removed service \(fleet.name("a"))_three")
            }
            try await fleet.settled("a")
            let tasks = try await fleet.tasks("a")
            try await fleet.commit(["a.yml": "services: {}\n"], "Empty it")
            try await fleet.eventually("it is refused") { fleet.log.contains("the project has no services; add one") }
            try await Task.sleep(for: .seconds(2))
            #expect(try await fleet.tasks("a") == tasks)
        }
        try await fleet.clean("a")
    }

    @Test(.timeLimit(.minutes(2))) func whatAnAdoptedStackHasTooManyIsToldFirst() async throws {
        let fleet = try await Fleet(verify: "1s")
        try await fleet.deployByHand("a", sleeper(services: ["one", "two", "more"]))
        let kept = try await fleet.tasks("a")
        try await fleet.commit(
            stacks: ["{name: PREFIXa, compose_file: a.yml}"],
            ["a.yml": sleeper(services: ["one", "two"])]
        )
        try await fleet.running {
            try await fleet.eventually("it is taken over") { fleet.log.contains("Adopted") }
            #expect(fleet.log.contains("not declared, and removed next"), "\(fleet.log)")
            try await fleet.eventually("it goes") { try await fleet.services("a")["more"] == nil }
            // However late this looks: by the Engine's own clock it went after it was told.
            let told = try await adoption(in: fleet)
            let gone = try await removal(of: "\(fleet.name("a"))_more", in: fleet)
            #expect(told < gone, "\(fleet.log)")
            #expect(try await fleet.tasks("a").isSubset(of: kept))
            #expect(try await fleet.services("a").count == 2)
        }
        try await fleet.clean("a")
    }

    /// When an adoption was told, in nanoseconds since 1970.
    private func adoption(in fleet: Fleet) async throws -> Int {
        let events = try JSON(parsing: await fleet.hecate("list", "events", "--format", "json").output).array ?? []
        let time = try #require(events.first { $0["reason"]?.string == "Adopted" }?["time"]?.string)
        let told = try await shell(["date", "-d", time, "+%s%N"])
        return try #require(Int(trimmedLine(told)))
    }

    /// When the Engine removed a service, in nanoseconds since 1970.
    private func removal(of service: String, in fleet: Fleet) async throws -> Int {
        let removed = try await fleet.docker(
            "events",
            "--since",
            "10m",
            "--until=-1s",
            "--filter",
            "type=service",
            "--filter",
            "event=remove",
            "--filter",
            "service=\(service)",
            "--format",
            "{{.TimeNano}}"
        )
        return try #require(Int(trimmedLine(removed)))
    }

    @Test(.timeLimit(.minutes(2))) func droppingMostServicesWaitsForAnApprovalThatIsSpent() async throws {
        let fleet = try await Fleet(verify: "1s")
        let all = ["one", "two", "three", "four"]
        let stacks = ["{name: PREFIXa, compose_file: a.yml}"]
        try await fleet.commit(stacks: stacks, ["a.yml": sleeper(services: all)])
        try await fleet.running {
            try await fleet.settled("a")
            @Sendable func waiting() async throws -> Bool {
                let conditions = try await fleet.app("a")["conditions"]?.array ?? []
                return conditions.contains {
                    $0["message"]?.string?.contains("nothing is removed until it is approved") == true
                }
            }
            try await fleet.commit(["a.yml": sleeper(services: ["one"])], "Drop most")
            try await fleet.eventually("it waits") { try await waiting() }
            #expect(try await fleet.services("a").count == 4)
            // Taken back: nothing waits any more, and nothing is there to be approved.
            try await fleet.commit(["a.yml": sleeper(services: all)], "Take it back")
            try await fleet.settled("a")
            try await fleet.eventually("nothing waits", within: .seconds(10)) { try await !waiting() }
            _ = try await fleet.hecate("approve", fleet.name("a"))
            try await Task.sleep(for: .seconds(2))
            try await fleet.commit(["a.yml": sleeper(services: ["one"])], "Drop most again")
            try await fleet.eventually("it waits again") { try await waiting() }
            #expect(try await fleet.services("a").count == 4)
            #expect(try await fleet.hecate("approve", fleet.name("a")).code == 0)
            try await fleet.eventually("they go") { try await fleet.services("a").count == 1 }
            // The approval is spent.
            try await fleet.commit(["a.yml": sleeper(services: all)], "All again")
            try await fleet.settled("a")
            try await fleet.commit(["a.yml": sleeper(services: ["one"])], "Drop most once more")
            try await fleet.eventually("it waits once more") { try await waiting() }
            #expect(try await fleet.services("a").count == 4)
        }
        try await fleet.clean("a")
    }

    @Test(.timeLimit(.minutes(2))) func aNetworkThatAnotherStackUsesIsToldOnce() async throws {
        let fleet = try await Fleet(verify: "1s")
        let networked = sleeper(
            more: "    networks: [back]",
            tail: "networks: {back: {attachable: true}, front: {}}\n"
        )
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": networked])
        try await fleet.running {
            try await fleet.settled("a")
            let user = sleeper(
                more: "    networks: [back]",
                tail: "networks: {back: {external: true, name: \(fleet.name("a"))_back}}\n"
            )
            try await fleet.deployByHand("user", user)
            try await fleet.commit(["a.yml": sleeper("A: 2")])
            try await fleet.eventually("it is told") { fleet.log.contains("cannot be removed now") }
            try await fleet.settled("a")
            let lines = fleet.log.ranges(of: "\n").count
            try await Task.sleep(for: .seconds(15))
            #expect(fleet.log.ranges(of: "\n").count == lines, "\(fleet.log)")
            #expect(fleet.log.ranges(of: "cannot be removed now").count == 1)
            // Drift is seen all the same.
            try await fleet.docker("service", "update", "-q", "--detach", "--env-add", "A=9", "\(fleet.name("a"))_one")
            try await fleet.eventually("drift is repaired", within: .seconds(25)) {
                fleet.log.contains("DriftRepaired")
            }
            #expect(try await fleet.environment("a") == ["one": "A=2"])
        }
        try await fleet.clean("user")
        try await fleet.clean("a")
    }
}
