import Delivery
import Testing

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
