import Testing

@testable import Delivery

/// Two controllers of one source at one target, and the target's single record of who acts.
@Suite struct LeaseTests {
    private let start = ContinuousClock.now
    private let term = Duration.seconds(12)

    /// The record on the target, changed by compare-and-set only.
    private struct Target {
        var record: LeaseRecord?
        private var versions = 0

        mutating func write(_ record: LeaseRecord, replacing version: String?) -> LeaseRecord? {
            guard self.record?.version == version else { return nil }
            versions += 1
            var written = record
            written.version = "\(versions)"
            self.record = written
            return written
        }
    }

    private func lease(_ id: String, instance: String = "1") -> Lease {
        Lease(identity: ControllerIdentity(id: id, instance: instance), term: term)
    }

    /// One turn of a controller: reads or writes, as it wants to.
    private func turn(_ lease: inout Lease, _ target: inout Target, at now: ContinuousClock.Instant) {
        switch lease.next(at: now) {
        case .read: lease.found(target.record, at: now)
        case .write(let record, let version):
            if let written = target.write(record, replacing: version) {
                lease.written(written, askedAt: now)
            } else {
                lease.refused()
            }
        }
    }

    private func isHeld(_ lease: Lease, at now: ContinuousClock.Instant) -> Bool {
        if case .held = lease.standing(at: now) { true } else { false }
    }

    @Test func theFirstActsAndTheSecondWaitsForAsLongAsItIsRenewed() {
        var (target, first, second) = (Target(), lease("a"), lease("b"))
        for second_ in 0..<120 {
            let now = start + .seconds(second_)
            turn(&first, &target, at: now)
            turn(&second, &target, at: now)
            if second_ > 1 {
                #expect(isHeld(first, at: now))
                #expect(second.standing(at: now) == .waiting(holder: "a"))
            }
        }
        #expect(target.record?.number == 1)
    }

    @Test func aHolderThatIsGoneIsFollowedWithinFifteenSecondsAndNeverTooSoon() {
        var (target, first, second) = (Target(), lease("a"), lease("b"))
        var now = start
        for _ in 0..<5 {
            turn(&first, &target, at: now)
            turn(&second, &target, at: now)
            now += .seconds(1)
        }
        let gone = now
        var taken: ContinuousClock.Instant?
        while taken == nil, now < gone + .seconds(60) {
            turn(&second, &target, at: now)
            if isHeld(second, at: now) { taken = now }
            // The holder's own clock ended its time before anybody else begins.
            if isHeld(second, at: now) { #expect(!isHeld(first, at: now)) }
            now += .milliseconds(500)
        }
        #expect(taken.map { $0 - gone <= .seconds(15) } ?? false)
        #expect(target.record?.number == 2)
    }

    @Test func aHolderWhoseRenewalsAreNotAnsweredStopsByItsOwnClock() {
        var (target, first) = (Target(), lease("a"))
        turn(&first, &target, at: start)
        turn(&first, &target, at: start)
        #expect(isHeld(first, at: start + .seconds(9)))
        #expect(!isHeld(first, at: start + .seconds(10)))
    }

    /// Nothing is asked for more often than it must, and an answer that did not come leaves time to ask again.
    @Test func aRenewalThatFailedIsTriedAgainBeforeTheLeaseEnds() {
        var (target, first) = (Target(), lease("a"))
        #expect(first.interval(at: start) == .seconds(1), "not ours yet")
        turn(&first, &target, at: start)
        turn(&first, &target, at: start)
        #expect(first.interval(at: start) == .seconds(5))
        #expect(first.interval(at: start + .seconds(5)) == .seconds(1), "it should have been renewed")
        #expect(isHeld(first, at: start + .seconds(9)))
    }

    @Test func whoWaitsLooksInTheVeryMomentInWhichTheOthersTimeIsOver() {
        var (target, first, second) = (Target(), lease("a"), lease("b"))
        turn(&first, &target, at: start)
        turn(&first, &target, at: start)
        turn(&second, &target, at: start + .seconds(1))
        #expect(second.interval(at: start + .seconds(1)) == .seconds(1))
        #expect(second.interval(at: start + .milliseconds(12_600)) == .milliseconds(400))
        turn(&second, &target, at: start + .seconds(13))
        #expect(isHeld(second, at: start + .seconds(13)))
    }

    @Test func anotherProcessOfTheSameControllerTakesOverAtOnce() {
        var (target, first, next) = (Target(), lease("a"), lease("a", instance: "2"))
        turn(&first, &target, at: start)
        turn(&first, &target, at: start)
        turn(&next, &target, at: start)
        turn(&next, &target, at: start)
        #expect(isHeld(next, at: start))
        // The older one, if it lives after all, finds itself replaced and does not take it back.
        turn(&first, &target, at: start + .seconds(1))
        turn(&first, &target, at: start + .seconds(1))
        #expect(!isHeld(first, at: start + .seconds(1)))
        #expect(target.record?.holder.instance == "2")
    }

    @Test func aLeaseThatWasGivenBackIsTakenAtOnce() throws {
        var (target, first, second) = (Target(), lease("a"), lease("b"))
        turn(&first, &target, at: start)
        turn(&first, &target, at: start)
        turn(&second, &target, at: start)
        guard case .write(let record, let version)? = first.release() else {
            Issue.record("nothing to give back")
            return
        }
        #expect(target.write(record, replacing: version) != nil)
        turn(&second, &target, at: start + .seconds(1))
        turn(&second, &target, at: start + .seconds(1))
        #expect(isHeld(second, at: start + .seconds(1)))
    }

    @Test func aRecordThatSomebodyDeletesIsNotMadeAnewBeforeTheHoldersTimeIsOver() {
        var (target, first, second) = (Target(), lease("a"), lease("b"))
        turn(&first, &target, at: start)
        turn(&first, &target, at: start)
        turn(&second, &target, at: start)
        target.record = nil
        for second_ in 0..<9 {
            turn(&second, &target, at: start + .seconds(second_))
            #expect(!isHeld(second, at: start + .seconds(second_)))
        }
    }

    @Test func anAnswerThatWasLostCountsOnlyOnceItIsRenewed() {
        var (target, first) = (Target(), lease("a"))
        turn(&first, &target, at: start)
        guard case .write(let record, let version) = first.next(at: start) else {
            Issue.record("it does not write")
            return
        }
        _ = target.write(record, replacing: version)
        first.refused()
        turn(&first, &target, at: start + .seconds(30))
        #expect(!isHeld(first, at: start + .seconds(30)))
        turn(&first, &target, at: start + .seconds(31))
        #expect(isHeld(first, at: start + .seconds(31)))
    }

    /// Its own renewal went through and the answer was lost: nobody else acts.
    @Test func whatStandsInTheWayOfARenewalIsNobodysBeforeItIsRead() {
        var (target, first) = (Target(), lease("a"))
        turn(&first, &target, at: start)
        turn(&first, &target, at: start)
        guard case .write(let record, let version) = first.next(at: start) else {
            Issue.record("it does not write")
            return
        }
        _ = target.write(record, replacing: version)
        let late = start + .seconds(60)
        first.refused()
        #expect(first.standing(at: late) == .unknown)
        turn(&first, &target, at: late)
        turn(&first, &target, at: late)
        #expect(isHeld(first, at: late))
        #expect(!first.isFromOthers)
    }

    /// It could not ask for longer than a term, tries to take over, and the other has renewed its own meanwhile.
    @Test func whoWasRefusedByAnotherStillWaitsForIt() {
        var (target, first, second) = (Target(), lease("a"), lease("b"))
        turn(&first, &target, at: start)
        turn(&first, &target, at: start)
        turn(&second, &target, at: start)
        let later = start + term + .seconds(1)
        guard case .write = second.next(at: later) else {
            Issue.record("it does not write")
            return
        }
        second.refused()
        #expect(second.standing(at: later) == .waiting(holder: "a"))
    }
}
