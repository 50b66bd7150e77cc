import Controller
import Delivery
import Journal
import Synchronization
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct SourceTests {
    private let missing = Failure(.notFound, "there is no such repository", next: .needsChange)

    @Test func aSourceThatIsNotFoundEndsNothingAndIsToldOnce() async throws {
        let gone = ScriptedSource("gone", head: .failure(missing), interval: .milliseconds(30))
        let well = ScriptedSource("well", head: .success("1"), apps: ["1": ["web"]], interval: .milliseconds(30))
        let rig = try Rig([gone, well])
        let store = rig.store
        try await rig.running {
            try await eventually("it is asked again and again") { gone.asked >= 4 && well.asked >= 2 }
            #expect(await rig.apps() == ["web"])
            let record = try await store.sources().first { $0.name == "gone" }
            #expect(record?.error == "there is no such repository" && record?.lastSuccess == nil)
            #expect(try await rig.events(about: "gone").map(\.reason) == [.notFound])
            gone.set {
                $0.head = .success("7")
                $0.apps["7"] = ["db"]
            }
            try await eventually("it is taken in when it is there") { await rig.apps().contains("db") }
            try await eventually("its record is well") {
                try await store.sources().allSatisfy { $0.error == nil && $0.lastSuccess != nil }
            }
        }
    }

    /// What cannot be copied counts all the same; why is told once, and it is copied when it can be.
    @Test func whatCannotBeCopiedIsToldOnceAndTriedAgain() async throws {
        let source = ScriptedSource("fleet", head: .success("1"), apps: ["1": ["web"]], interval: .milliseconds(100))
        source.set { $0.copying = Failure(.unavailable, "the disk is full") }
        let rig = try Rig([source])
        try await rig.running {
            func warnings() async throws -> [Event] {
                try await rig.events(about: "fleet").filter { $0.severity == .warning }
            }
            try await eventually("it is told") { try await !warnings().isEmpty }
            let asked = source.asked
            try await eventually("it is asked on") { source.asked > asked + 15 }
            #expect(try await warnings().map(\.reason) == [.unavailable])
            #expect(try await rig.store.sources().first?.error == nil)
            #expect(await rig.apps() == ["web"])
            source.set { $0.copying = nil }
            try await eventually("it is copied") { source.state.withLock { $0.copied } == ["1"] }
            let later = source.asked
            try await eventually("it is asked on") { source.asked > later + 15 }
            #expect(source.state.withLock { $0.copied } == ["1"])
        }
    }

    /// What could not be written down is, as soon as it can be, and not at the next news.
    @Test func aStoreThatIsWellAgainLearnsHowItsSourcesAre() async throws {
        let isLocked = Mutex(false)
        let source = ScriptedSource("fleet", head: .failure(missing), interval: .milliseconds(500))
        let rig = try Rig([source]) {
            if isLocked.withLock({ $0 }) { throw Failure(.unavailable, "the disk is read-only") }
        }
        try await rig.running {
            try await eventually("its error is on record") { try await rig.store.sources().first?.error != nil }
            isLocked.withLock { $0 = true }
            try await shell(["sh", "-c", "rm -f \(rig.scratch.path)/hecate.db*"])
            try await Task.sleep(for: .seconds(2))
            source.set {
                $0.head = .success("1")
                $0.apps["1"] = ["web"]
            }
            try await eventually("it is taken in") { await rig.apps() == ["web"] }
            try await Task.sleep(for: .seconds(2))
            isLocked.withLock { $0 = false }
            try await eventually("its record is well", within: .seconds(15)) {
                try await rig.store.sources().first?.error == nil
            }
        }
    }

    @Test func whatWasAcceptedLastCountsBeforeAnybodyIsAsked() async throws {
        let scratch = try Scratch()
        let first = try Rig([ScriptedSource("fleet", head: .success("1"), apps: ["1": ["web"]])], scratch: scratch)
        try await first.running {
            try await eventually("the commit is on record") { try await first.store.sources().first?.commit == "1" }
        }
        let away = Failure(.unavailable, "the forge is away")
        let source = ScriptedSource("fleet", head: .failure(away), apps: ["1": ["web"]], kept: ["1"])
        let second = try Rig([source], scratch: scratch)
        try await second.running {
            try await eventually("it is declared though the forge is away") { await second.isDeclared("web") }
            try await eventually("the forge is asked") { source.asked > 0 }
            #expect(source.log.prefix(2) == ["head", "kept 1"])
        }
    }

    /// `isKept`: Whether the mirror outlives the restart; without it the source is asked for what was in force.
    @Test(arguments: [true, false])
    func aCommitThatIsBrokenLeavesTheLastGoodOneInForceAlsoAfterARestart(isKept: Bool) async throws {
        let scratch = try Scratch()
        let source = ScriptedSource(
            "fleet",
            head: .success("1"),
            apps: ["1": ["web"]],
            kept: ["1"],
            interval: .milliseconds(30)
        )
        let first = try Rig([source], scratch: scratch)
        try await first.running {
            try await eventually("the first is taken") { await first.apps() == ["web"] }
            source.set { $0.head = .success("2") }
            try await eventually("the second is refused") { try await first.store.sources().first?.error != nil }
            let asked = source.asked
            try await eventually("it is asked on") { source.asked > asked + 3 }
            #expect(source.log.count { $0 == "read 2" } == 1)
            #expect(try await first.events(about: "fleet").count { $0.reason == .invalid } == 1)
        }
        let second = try Rig([source], scratch: scratch)
        source.set { $0.log = [] }
        if !isKept { source.set { $0.kept = [] } }
        try await second.running {
            try await eventually("what was in force is again") { await second.isDeclared("web") }
            #expect(source.log.prefix(3) == ["head", "read 2", "kept 1"])
            #expect(isKept || source.log.dropFirst(3).first == "read 1", "\(source.log)")
        }
    }

    @Test func looksThatAreAskedForTogetherAreOneAndBeginAfterTheQuestion() async throws {
        let source = ScriptedSource("fleet", head: .success("1"), apps: ["1": ["web"], "2": ["web", "new"]])
        let rig = try Rig([source])
        let controller = rig.controller
        try await rig.running {
            try await eventually("the first is taken") { await rig.apps() == ["web"] }
            source.set {
                $0.head = .success("2")
                $0.asked = 0
                $0.delay = .milliseconds(300)
            }
            await withDiscardingTaskGroup { group in
                for _ in 0..<20 { group.addTask { await controller.reconcile() } }
            }
            // Whoever asks sees what stood there when he asked, and twenty do not ask twenty times.
            #expect(await rig.apps() == ["web", "new"])
            #expect((1...3).contains(source.asked), "\(source.asked)")
        }
    }

    @Test func aReadingThatComesTooLateIsNeverTakenIn() async throws {
        let slow = ScriptedSource(
            "fleet",
            head: .success("old"),
            apps: ["old": ["old"], "new": ["new"]],
            hangs: true,
            interval: .milliseconds(20),
            patience: .milliseconds(100)
        )
        let rig = try Rig([slow])
        try await rig.running {
            try await eventually("it is told as late") {
                try await rig.store.sources().first?.error?.contains("did not answer within") == true
            }
            slow.set {
                $0.hangs = false
                $0.head = .success("new")
            }
            try await eventually("the new one is taken") { await rig.apps() == ["new"] }
            #expect(!slow.log.contains("read old"))
        }
    }

    @Test func aSourceThatHangsDelaysNobodyElse() async throws {
        let stuck = ScriptedSource("stuck", head: .success("1"), hangs: true, patience: .seconds(300))
        let well = ScriptedSource("well", head: .success("1"), apps: ["1": ["web"], "2": ["web", "new"]])
        let rig = try Rig([stuck, well])
        let controller = rig.controller
        try await rig.running {
            try await eventually("the first is taken") { await rig.apps() == ["web"] }
            well.set { $0.head = .success("2") }
            // Everything: the one that is well is read and reconciled at once.
            let all = Task { await controller.reconcile() }
            try await eventually("the other source is read") { await rig.apps() == ["web", "new"] }
            all.cancel()
            // One app: only its own source is waited for.
            let start = ContinuousClock.now
            await controller.reconcile(names: ["default/web"])
            #expect(ContinuousClock.now - start < .seconds(20))
        }
    }

    /// The store is lost, and the source that has an app is away: another that declares it too must not get it, nor those who
    /// may see that one's apps see it.
    @Test func whatTheTargetSaysIsAnothersIsNobodysUntilThatOneIsRead() async throws {
        let away = Failure(.unavailable, "the forge is away")
        let first = ScriptedSource("z", head: .failure(away), apps: ["1": ["web"]], interval: .milliseconds(30))
        let second = ScriptedSource("b", head: .success("1"), apps: ["1": ["web", "own"]])
        let web = AppID(target: "default", name: "web")
        let platform = NoPlatform(
            name: "default",
            claimed: [web: Claim(owner: "z")],
            claimsAfter: .milliseconds(300)
        )
        let rig = try Rig([first, second], targets: [Target(platform: platform, endpoint: "x") { "1" }])
        let reconciler = rig.controller.context.reconciler
        try await rig.running {
            try await eventually("the other source's own is known") { await reconciler.apps.map(\.name) == ["own"] }
            try await Task.sleep(for: .milliseconds(500))
            #expect(await reconciler.apps.map(\.name) == ["own"])
            first.set { $0.head = .success("1") }
            try await eventually("it is there") { await reconciler.apps.count == 2 }
            #expect(await reconciler.records.first { $0.id == web }?.source == "z")
            let told = try await rig.events(about: web.description).filter { $0.reason == .refused }
            #expect(told.map(\.message).contains { $0.contains("also declared by the source 'z'") })
        }
    }

    /// Who has what is heard only after both sources were read, with nothing remembered.
    @Test func whatTheTargetSaysCountsAlsoWhenItIsHeardLate() async throws {
        let sources = ["b", "z"].map { ScriptedSource($0, head: .success("1"), apps: ["1": ["web"]]) }
        let web = AppID(target: "default", name: "web")
        let platform = NoPlatform(
            name: "default",
            claimed: [web: Claim(owner: "z")],
            claimsAfter: .milliseconds(500)
        )
        let rig = try Rig(sources, targets: [Target(platform: platform, endpoint: "x") { "1" }])
        let reconciler = rig.controller.context.reconciler
        try await rig.running {
            try await eventually("it is the one's that has it") { await reconciler.records.map(\.source) == ["z"] }
        }
    }

    /// Two sources declare it, both were read, and the target is away: it is neither's, so that nobody sees what is not his.
    @Test func whatTwoDeclareIsNobodysBeforeTheTargetWasAsked() async throws {
        let sources = ["b", "z"].map { ScriptedSource($0, head: .success("1"), apps: ["1": ["web", $0]]) }
        let rig = try Rig(
            sources,
            targets: [Target(platform: NoPlatform(name: "default", unheard: 100), endpoint: "x") { "1" }]
        )
        let reconciler = rig.controller.context.reconciler
        try await rig.running {
            try await eventually("what only one declares is its own") { await rig.apps().count == 2 }
            try await Task.sleep(for: .milliseconds(300))
            #expect(Set(await reconciler.apps.map(\.name)) == ["b", "z"])
        }
    }

    /// One run, a store without memory, and the target does not say who has what, at first or ever: nothing is left out in silence.
    @Test(arguments: [1, 100], [false, true]) func onceLeavesNothingOutInSilence(
        unheard: Int,
        isPartial: Bool
    ) async throws {
        let first = ScriptedSource("a", head: .success("1"), apps: ["1": ["web"]])
        let second = ScriptedSource("b", head: .success("1"), apps: ["1": isPartial ? ["other"] : ["web"]])
        second.set { $0.isPartial = isPartial }
        let platform = NoPlatform(name: "default", unheard: unheard)
        let rig = try Rig([first, second], targets: [Target(platform: platform, endpoint: "x") { "1" }])
        let outcome = try await rig.controller.once()
        if unheard == 1 {
            #expect(outcome.records.contains { $0.id.name == "web" }, "it is asked once more")
        } else {
            #expect(outcome.failures.contains { $0.message.contains("left out: ") && $0.message.contains("web") })
        }
    }

    /// The source that was read in part is whole, and does not declare the app; the target still cannot be asked.
    @Test func whatNoOtherCanDeclareAnyMoreIsTheOnes() async throws {
        let first = ScriptedSource("a", head: .success("1"), apps: ["1": ["web"]])
        let second = ScriptedSource(
            "b",
            head: .success("1"),
            apps: ["1": ["other"], "2": ["other"]],
            interval: .milliseconds(30)
        )
        second.set { $0.isPartial = true }
        let platform = NoPlatform(name: "default", unheard: 100)
        let rig = try Rig([first, second], targets: [Target(platform: platform, endpoint: "x") { "1" }])
        try await rig.running {
            try await eventually("both are read") { first.log.contains("read 1") && second.log.contains("read 1") }
            second.set { ($0.isPartial, $0.head) = (false, .success("2")) }
            try await eventually("it is the one's") { await rig.apps().contains("web") }
        }
    }

    /// What nobody knows cannot be looked at, and whose it is stays known.
    @Test func aHoldOnWhatIsAnothersGivesItToNobody() async throws {
        let away = Failure(.unavailable, "the forge is away")
        let first = ScriptedSource("z", head: .failure(away), apps: ["1": ["web"]])
        let second = ScriptedSource(
            "b",
            head: .success("1"),
            apps: ["1": ["web", "own"], "2": ["web", "own"]],
            interval: .milliseconds(30)
        )
        let web = AppID(target: "default", name: "web")
        let platform = NoPlatform(name: "default", claimed: [web: Claim(owner: "z")])
        let rig = try Rig([first, second], targets: [Target(platform: platform, endpoint: "x") { "1" }])
        let reconciler = rig.controller.context.reconciler
        try await rig.running {
            try await eventually("its own is known") { await rig.apps() == ["own"] }
            try await rig.store.suspend(web, by: "ann", because: "it is looked at", at: Timestamp(1_800_000_000))
            try await reconciler.refreshHolds()
            try await Task.sleep(for: .milliseconds(200))
            second.set { $0.head = .success("2") }
            try await eventually("it is read again") { second.log.contains("read 2") }
            try await Task.sleep(for: .milliseconds(300))
            #expect(await rig.apps() == ["own"])
        }
    }

    /// The target could not be asked who has what, and another source is away: it is asked again.
    @Test func whoHasWhatIsAskedAgain() async throws {
        let away = Failure(.unavailable, "the forge is away")
        let first = ScriptedSource("a", head: .success("1"), apps: ["1": ["web"]])
        let second = ScriptedSource("b", head: .failure(away))
        let platform = NoPlatform(name: "default", unheard: 2)
        let rig = try Rig([first, second], targets: [Target(platform: platform, endpoint: "x") { "1" }])
        try await rig.running {
            try await eventually("it is known", within: .seconds(50)) { await rig.apps() == ["web"] }
        }
    }

    /// The source that has an app was read only in part, and it may stand in the rest.
    @Test func whatAPartlyReadSourceHasIsNobodyElses() async throws {
        let first = ScriptedSource("a", head: .success("1"), apps: ["1": ["web"]])
        let second = ScriptedSource("b", head: .success("1"), apps: ["1": ["other"]])
        second.set { $0.isPartial = true }
        let web = AppID(target: "default", name: "web")
        let platform = NoPlatform(name: "default", claimed: [web: Claim(owner: "b")])
        let rig = try Rig([first, second], targets: [Target(platform: platform, endpoint: "x") { "1" }])
        try await rig.running {
            try await eventually("both are read") { await rig.apps().contains("other") }
            try await Task.sleep(for: .seconds(1))
            #expect(await rig.controller.context.reconciler.records.first { $0.id == web }?.source != "a")
        }
    }

    @Test func onceReadsWhatItCanAndSaysWhatFailed() async throws {
        let gone = ScriptedSource("gone", head: .failure(missing))
        let late = ScriptedSource("late", head: .success("1"), hangs: true, patience: .milliseconds(200))
        let well = ScriptedSource("well", head: .success("1"), apps: ["1": ["web"]])
        let rig = try Rig([gone, late, well])
        let outcome = try await rig.controller.once()
        #expect(Set(outcome.failures.map(\.reason)) == [.notFound, .timedOut])
        #expect(outcome.records.map(\.id.name) == ["web"])
    }

    /// What waits for it stays as it was declared last, and is not looked for where it is not any more.
    @Test func anApprovalIsForTheseRemovalsOnly() async throws {
        let all = ["a", "b", "c", "d"]
        let apps = ["1": all, "2": ["a"], "3": all, "4": ["a"]]
        let source = ScriptedSource("fleet", head: .success("1"), apps: apps, interval: .milliseconds(30))
        let rig = try Rig([source], targets: [Target(platform: NoPlatform(name: "default"), endpoint: "x") { "1" }])
        let (controller, reconciler) = (rig.controller, rig.controller.context.reconciler)
        @Sendable func waits() async throws -> Int {
            try await rig.events(about: "fleet").count { $0.reason == .awaitingApproval }
        }
        @Sendable func going() async -> Int { await reconciler.records.count { $0.removal != nil } }
        try await rig.running {
            try await eventually("all are looked at") {
                all.allSatisfy { source.log.contains("prepare default/\($0) at 1") }
            }
            source.set { $0.head = .success("2") }
            try await eventually("it waits") { try await waits() == 1 }
            await controller.reconcile(names: ["default/b"])
            #expect(!source.log.contains("prepare default/b at 2"))
            #expect(await going() == 0)
            await controller.approve("fleet")
            #expect(await going() == 3)
            source.set { $0.head = .success("3") }
            try await eventually("all are declared again") { await going() == 0 }
            source.set { $0.head = .success("4") }
            try await eventually("it waits once more") { try await waits() == 2 }
            #expect(await going() == 0, "an approval is spent")
        }
    }

    /// What goes may be known to the target alone, and the source may be away when the approval is taken up.
    @Test(arguments: [false, true]) func anApprovalThatWasLeftBeforeTheStartIsNotLost(isAway: Bool) async throws {
        let away = Failure(.unavailable, "the forge is away")
        let source = ScriptedSource(
            "fleet",
            head: isAway ? .failure(away) : .success("1"),
            apps: ["1": []],
            interval: .milliseconds(30)
        )
        let claims = ["a", "b", "c"].map { (AppID(target: "default", name: $0), Claim(owner: "fleet")) }
        let platform = NoPlatform(
            name: "default",
            claimed: Dictionary(uniqueKeysWithValues: claims),
            claimsAfter: .milliseconds(500)
        )
        let rig = try Rig([source], targets: [Target(platform: platform, endpoint: "x") { "1" }])
        let number = try await rig.store.ask("approve", subject: "fleet", author: "anna", at: Timestamp(1))
        let reconciler = rig.controller.context.reconciler
        try await rig.running {
            if isAway {
                try await eventually("the source is told as away") {
                    try await !rig.events(about: "fleet").isEmpty
                }
                #expect(try await !rig.store.isAnswered(number))
                source.set { $0.head = .success("1") }
            }
            try await eventually("they go") { await reconciler.records.count { $0.removal != nil } == 3 }
            try await eventually("it is answered") { try await rig.store.isAnswered(number) }
        }
    }

    /// Its source is still being looked at when the end is asked for.
    @Test func whoAsksAsTheControllerEndsHoldsItUpForNothing() async throws {
        let source = ScriptedSource("fleet", head: .success("1"), apps: ["1": ["web"]])
        let rig = try Rig([source])
        let asked = Mutex(ContinuousClock.now)
        try await rig.running {
            try await eventually("it is read") { await rig.apps() == ["web"] }
            source.set { $0.delay = .seconds(600) }
            let before = source.asked
            _ = try await rig.store.ask("reconcile", subject: "", author: "anna", at: Timestamp(1))
            try await eventually("it is looked at again") { source.asked > before }
            asked.withLock { $0 = .now }
        }
        #expect(ContinuousClock.now - asked.withLock { $0 } < .seconds(10))
    }
}
