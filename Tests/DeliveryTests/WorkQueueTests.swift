import Testing

@testable import Delivery

@Suite struct WorkQueueTests {
    private let start = ContinuousClock.now

    @Test func oneEntryHoweverOftenItIsAskedFor() {
        var queue = WorkQueue<String>()
        for _ in 0..<5 { queue.add("a", at: start, asked: start) }
        #expect(queue.depth == 1)
        #expect(queue.take(at: start)?.key == "a")
        #expect(queue.take(at: start)?.key == nil)
    }

    @Test func whatIsAskedForDuringTheWorkIsDoneOnceMoreAfterwards() {
        var queue = WorkQueue<String>()
        queue.add("a", at: start, asked: start)
        _ = queue.take(at: start)
        queue.add("a", at: start, asked: start)
        #expect(queue.take(at: start)?.key == nil)
        queue.finish("a")
        #expect(queue.take(at: start)?.key == "a")
    }

    @Test func peopleGoFirstThenWhoWaitedLongest() {
        var queue = WorkQueue<String>()
        queue.add("periodic", at: start, asked: start, priority: .periodic)
        queue.add("late", at: start + .seconds(2), asked: start)
        queue.add("early", at: start + .seconds(1), asked: start)
        queue.add("user", at: start + .seconds(3), asked: start, priority: .user)
        let now = start + .seconds(5)
        var order: [String] = []
        while let next = queue.take(at: now) { order.append(next.key) }
        #expect(order == ["user", "early", "late", "periodic"])
    }

    @Test func nothingIsTakenBeforeItIsDue() {
        var queue = WorkQueue<String>()
        queue.add("a", at: start + .seconds(1), asked: start)
        #expect(queue.take(at: start)?.key == nil)
        #expect(queue.nextDue == start + .seconds(1))
        queue.add("a", at: start, asked: start, priority: .user)
        #expect(queue.take(at: start)?.entry.priority == .user)
    }

    /// A retry is asked for at a time to come; what happens before brings the work forward, and nobody can look then yet.
    @Test func aQuestionNeverLiesInTheFuture() {
        var queue = WorkQueue<String>()
        queue.add("a", at: start + .seconds(375), asked: start + .seconds(375), priority: .periodic)
        queue.add("a", at: start + .seconds(1), asked: start + .seconds(1))
        #expect(queue.take(at: start)?.key == nil)
        #expect(queue.take(at: start + .seconds(2))?.entry.asked == start + .seconds(2))
    }

    @Test func eventsDoNotStarveWhatIsPeriodic() {
        var queue = WorkQueue<Int>()
        queue.add(0, at: start, asked: start, priority: .periodic)
        var now = start
        var taken: Int?
        for key in 1...100 where taken != 0 {
            queue.add(key, at: now, asked: now)
            taken = queue.take(at: now)?.key
            if let taken { queue.finish(taken) }
            now += .milliseconds(100)
        }
        #expect(taken == 0 && now - start <= .seconds(6))
    }

    /// Whatever the order of questions, takes and ends: no key is worked on twice at once, and none that was asked for
    /// is lost.
    @Test func randomOrdersLoseNothing() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            var queue = WorkQueue<Int>()
            var owed: Set<Int> = []
            var active: Set<Int> = []
            for _ in 0..<200 {
                let key = Int.random(in: 0..<6, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0:
                    queue.add(key, at: start, asked: start)
                    owed.insert(key)
                case 1:
                    if let next = queue.take(at: start)?.key {
                        #expect(active.insert(next).inserted)
                        owed.remove(next)
                    }
                default:
                    if let done = active.randomElement(using: &generator) {
                        queue.finish(done)
                        active.remove(done)
                    }
                }
            }
            for key in active { queue.finish(key) }
            while let next = queue.take(at: start)?.key { owed.remove(next) }
            #expect(owed.isEmpty)
        }
    }
}

@Suite struct AlarmsTests {
    private let start = ContinuousClock.now

    @Test func anAlarmThatRangEarlyIsSetAnew() {
        var alarms = Alarms()
        func set(_ seconds: Int) -> Bool { alarms.set(start + .seconds(seconds)) }
        let answers = [set(2), set(2), set(3), set(1)]
        #expect(answers == [true, false, false, true], "whoever is woken earlier looks again")
        alarms.rang(start + .seconds(1))
        alarms.rang(start + .seconds(2))
        let isSetAnew = set(2)
        #expect(isSetAnew, "what was due had to wait a nanosecond more")
    }
}

@Suite(.timeLimit(.minutes(1))) struct SharedLookTests {
    /// A moment to come is as good as now: whoever waited for it would look over and over until then.
    @Test func aMomentToComeMeansNow() async throws {
        let looks = Counter()
        let look = SharedLook { await looks.next() }
        #expect(try await look.value(since: .now + .seconds(3600)) == 1)
        #expect(try await look.value(since: .now) == 2)
    }

    @Test func whoeverAsksGetsALookThatBeganNoEarlier() async throws {
        let looks = Counter()
        let look = SharedLook { await looks.next() }
        let before = ContinuousClock.now
        #expect(try await look.value(since: before) == 1)
        #expect(try await look.value(since: before) == 1)
    }

    private actor Counter {
        private var count = 0

        func next() -> Int {
            count += 1
            return count
        }
    }
}

@Suite struct BackoffTests {
    @Test func itDoublesUpToFiveMinutesWithJitter() {
        let backoff = Backoff()
        #expect(backoff.delay(afterFailures: 1, jitter: 0.5) == .seconds(1))
        #expect(backoff.delay(afterFailures: 4, jitter: 0.5) == .seconds(8))
        #expect(backoff.delay(afterFailures: 60, jitter: 0) == .seconds(225))
        #expect(backoff.delay(afterFailures: 60, jitter: 1) == .seconds(375))
    }

    @Test func durationsReadWell() {
        #expect(Duration.milliseconds(350).readable == "350ms")
        #expect(Duration.milliseconds(12_400).readable == "12.4s")
        #expect(Duration.seconds(200).readable == "3m20s")
        #expect(Duration.seconds(7200).readable == "2h0m")
    }
}
