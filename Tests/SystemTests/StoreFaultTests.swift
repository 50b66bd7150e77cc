import JSON
import Subprocess
import TestSupport
import Testing

/// A store that is deleted, damaged, full or read-only: nothing is restarted, it is told, and it heals with its cause.
@Suite struct StoreFaultTests {
    /// What befalls the store, as a command in its folder, and what is said about it.
    struct Fault: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let command: String
        let told: String
        init(_ name: String, _ command: String, told: String) {
            (testDescription, self.command, self.told) = (name, command, told)
        }
    }

    private static let rubbish =
        "for f in hecate.db hecate.db-wal; do [ ! -s $f ] || dd if=/dev/urandom of=$f conv=notrunc bs=$(stat -c %s $f) count=1 || true; done"

    static let whileRunning = [
        Fault("deleted", "rm -f hecate.db*", told: "was deleted, moved or replaced while it was open"),
        Fault("cut short", "truncate -s 5000 hecate.db", told: "was damaged"),
        Fault("filled with rubbish", rubbish, told: "was damaged"),
    ]

    static let beforeTheStart = [
        Fault("deleted", "rm -f hecate.db*", told: "Adopted"),
        Fault("cut short", "truncate -s 5000 hecate.db", told: "was set aside"),
        Fault("emptied", "truncate -s 0 hecate.db", told: "Adopted"),
        Fault("filled with rubbish", rubbish, told: "was set aside"),
    ]

    private static let server = "server: {listen: '127.0.0.1:0', anonymous: viewer, rate: 1000}"
    private static let stacks = ["{name: PREFIXa, compose_file: a.yml}", "{name: PREFIXb, compose_file: b.yml}"]

    private func deployed() async throws -> Fleet {
        let fleet = try await Fleet(extra: Self.server)
        try await fleet.commit(stacks: Self.stacks, ["a.yml": sleeper(), "b.yml": sleeper()])
        return fleet
    }

    @Test(.timeLimit(.minutes(3)), arguments: whileRunning) func underTheController(_ fault: Fault) async throws {
        let fleet = try await deployed()
        try await fleet.running {
            try await fleet.settled("a", "b")
            let neighbour = try await fleet.tasks("b")
            // The place of the file is looked at once a second.
            try await Task.sleep(for: .seconds(1))
            try await shell(["sh", "-c", fault.command], directory: fleet.store)
            try await fleet.commit(["a.yml": sleeper("A: 2")])
            try await fleet.settled("a", "b", within: .seconds(100))
            #expect(try await fleet.environment("a") == ["one": "A=2"])
            #expect(try await fleet.tasks("b") == neighbour)
            try await fleet.eventually("it is told") { fleet.log.contains(fault.told) }
            let events = try await fleet.hecate("list", "events").outputText
            #expect(events.contains(fault.told), "\(events)")
            try await fleet.eventually("it is ready again") { try await fleet.readiness().code == 200 }
        }
        try await fleet.clean("a", "b")
    }

    @Test(.timeLimit(.minutes(4))) func whatRunsIsStillReturnedToAfterDamage() async throws {
        let fleet = try await deployed()
        try await fleet.running {
            try await fleet.settled("a", "b")
            try await shell(["sh", "-c", Self.rubbish], directory: fleet.store)
            try await fleet.eventually("it is told", within: .seconds(100)) { fleet.log.contains("was damaged") }
            try await fleet.settled("a", "b")
            let broken = sleeper("A: 2").replacing("trap exit TERM; while", with: "sleep 1; exit 3; while")
            try await fleet.commit(["a.yml": broken], "Break it")
            try await fleet.eventually("it is refused") { fleet.log.contains("non-zero exit (3)") }
            try await fleet.eventually("it is as before", within: .seconds(30)) {
                try await fleet.environment("a") == ["one": "A=1"]
            }
        }
        try await fleet.clean("a", "b")
    }

    /// What SQLite cannot see: a page that is whole and holds something else.
    @Test(.timeLimit(.minutes(4))) func anOlderRevisionIsReturnedToWhenTheNewestCannotBeRead() async throws {
        let fleet = try await deployed()
        try await fleet.running {
            try await fleet.settled("a", "b")
            try await fleet.commit(["a.yml": sleeper("A: 2")])
            try await fleet.settled("a")
        }
        let newest = "(SELECT max(number) FROM revisions WHERE name = '\(fleet.name("a"))')"
        let damage = "UPDATE revisions SET payload = zeroblob(10) WHERE number = \(newest)"
        try await shell(["sqlite3", "\(fleet.store)/hecate.db", damage])
        try await fleet.running {
            try await fleet.settled("a", "b")
            let broken = sleeper("A: 3").replacing("trap exit TERM; while", with: "sleep 1; exit 3; while")
            try await fleet.commit(["a.yml": broken], "Break it")
            try await fleet.eventually("it is refused") { fleet.log.contains("non-zero exit (3)") }
            try await fleet.eventually("an older one runs", within: .seconds(30)) {
                try await fleet.environment("a") == ["one": "A=1"]
            }
        }
        try await fleet.clean("a", "b")
    }

    /// The lock went with the folder, and the store is written anew without it.
    @Test(.timeLimit(.minutes(2))) func aStoreThatWasWrittenAnewIsStillOneControllersAlone() async throws {
        let fleet = try await deployed()
        try await fleet.running {
            try await fleet.settled("a", "b")
            try await fleet.loseStore()
            try await fleet.eventually("it is written anew") {
                fleet.log.contains("everything in it was written there")
            }
            let second = try await execute(["timeout", "10", fleet.binary, "run", fleet.config])
            #expect(second.code != 124, "a second controller works on the store as well")
        }
        try await fleet.clean("a", "b")
    }

    /// A second controller began on the place of the store before the first saw that it was gone.
    @Test(.timeLimit(.minutes(2))) func aControllerWhoseStoreAnotherOneTookEnds() async throws {
        let fleet = try await deployed()
        try await fleet.running(restarted: true) {
            try await fleet.settled("a", "b")
            let find = "find /proc/[0-9]*/fd -lname \(fleet.store)/lock 2>/dev/null | head -1 | cut -d/ -f3"
            let first = try await execute(["sh", "-c", find]).outputText.split(separator: "\n").first.map(String.init)
            let pid = try #require(first)
            try await shell(["kill", "-STOP", pid])
            try await fleet.loseStore()
            async let second = execute(["timeout", "20", fleet.binary, "run", fleet.config])
            try await fleet.eventually("it began") { try await fleet.app("a") != .null }
            try await shell(["kill", "-CONT", pid])
            try await fleet.eventually("the first ends", within: .seconds(15)) {
                fleet.log.contains("another controller works on it now")
            }
            let names = try await shell(["ls", fleet.store])
            #expect(!names.contains("replaced"), "\(names)")
            #expect(try await second.code == 124, "the second one goes on")
        }
        try await fleet.clean("a", "b")
    }

    @Test(.timeLimit(.minutes(3)), arguments: beforeTheStart) func beforeAStart(_ fault: Fault) async throws {
        let fleet = try await deployed()
        try await fleet.running { try await fleet.settled("a", "b") }
        let neighbour = try await fleet.tasks("b")
        try await shell(["sh", "-c", fault.command], directory: fleet.store)
        try await fleet.commit(["a.yml": sleeper("A: 2")])
        let before = fleet.log.utf8.count
        try await fleet.running {
            try await fleet.settled("a", "b")
            #expect(try await fleet.environment("a") == ["one": "A=2"])
            #expect(try await fleet.tasks("b") == neighbour)
            let log = String(decoding: fleet.log.utf8.dropFirst(before), as: UTF8.self)
            #expect(log.contains(fault.told), "\(log)")
            #expect(try await fleet.readiness().code == 200)
        }
        try await fleet.clean("a", "b")
    }

    @Test(.timeLimit(.minutes(4))) func theDiskFillsUpUnderTheController() async throws {
        let fleet = try await deployed()
        let disk = try await SmallDisk(at: fleet.store, size: "4m")
        try await fleet.running {
            try await fleet.settled("a", "b")
            let neighbour = try await fleet.tasks("b")
            try await disk.fill()
            try await fleet.commit(["a.yml": sleeper("A: 2")])
            try await fleet.eventually("it says so") {
                let (code, text) = try await fleet.readiness()
                return code == 503 && (text.contains("No space left") || text.contains("disk is full"))
            }
            #expect(try await fleet.tasks("b") == neighbour)
            try await disk.makeRoom()
            try await fleet.settled("a", "b")
            #expect(try await fleet.environment("a") == ["one": "A=2"])
            try await fleet.eventually("it is ready again") { try await fleet.readiness().code == 200 }
            #expect(try await fleet.tasks("b") == neighbour)
        }
        withExtendedLifetime(disk) {}
        try await fleet.clean("a", "b")
    }

    @Test(.timeLimit(.minutes(4))) func theDiskBecomesReadOnlyUnderTheController() async throws {
        let fleet = try await deployed()
        let disk = try await SmallDisk(at: fleet.store, size: "4m")
        try await fleet.running {
            try await fleet.settled("a", "b")
            let neighbour = try await fleet.tasks("b")
            // A file system that is written to cannot be made read-only; one that is bound over it can.
            let protect =
                "rm -f \(disk.path)/hecate.db*; mount --bind \(disk.path) \(disk.path); mount -o remount,bind,ro"
            try await shell(["sh", "-c", "\(protect) \(disk.path)"])
            do {
                try await fleet.commit(["a.yml": sleeper("A: 2")])
                try await fleet.eventually("it says so") {
                    let (code, text) = try await fleet.readiness()
                    return code == 503 && (text.contains("ead-only"))
                }
                #expect(try await fleet.tasks("b") == neighbour)
            } catch {
                _ = try? await shell(["umount", "-l", disk.path])
                throw error
            }
            try await shell(["umount", "-l", disk.path])
            try await fleet.settled("a", "b")
            #expect(try await fleet.environment("a") == ["one": "A=2"])
            try await fleet.eventually("it is ready again") { try await fleet.readiness().code == 200 }
            #expect(try await fleet.tasks("b") == neighbour)
        }
        withExtendedLifetime(disk) {}
        try await fleet.clean("a", "b")
    }

    /// The controller cannot begin; once it can, its service manager's next start goes on.
    @Test(.timeLimit(.minutes(4)), arguments: ["full", "read-only"])
    func theDiskTakesNothingBeforeAStart(_ how: String) async throws {
        let fleet = try await deployed()
        let disk = try await SmallDisk(at: fleet.store, size: "4m")
        try await fleet.running { try await fleet.settled("a", "b") }
        let neighbour = try await fleet.tasks("b")
        if how == "full" {
            try await disk.fill()
        } else {
            try await shell(["mount", "-o", "remount,ro", disk.path])
        }
        try await fleet.commit(["a.yml": sleeper("A: 2")])
        let before = fleet.log.utf8.count
        try await fleet.running(restarted: true) {
            try await fleet.eventually("it says so") {
                let log = String(decoding: fleet.log.utf8.dropFirst(before), as: UTF8.self).lowercased()
                return how == "full"
                    ? log.contains("no space left") || log.contains("disk is full") : log.contains("read-only")
            }
            #expect(try await fleet.tasks("b") == neighbour)
            if how == "full" {
                try await disk.makeRoom()
            } else {
                try await shell(["mount", "-o", "remount,rw", disk.path])
            }
            try await fleet.settled("a", "b")
            #expect(try await fleet.environment("a") == ["one": "A=2"])
            try await fleet.eventually("it is ready again") { try await fleet.readiness().code == 200 }
            #expect(try await fleet.tasks("b") == neighbour)
        }
        withExtendedLifetime(disk) {}
        try await fleet.clean("a", "b")
    }
}

extension Fleet {
    /// What `/readyz` answers; the status is 0 when nothing does.
    fileprivate func readiness() async throws -> (code: Int, text: String) {
        guard let place = log.ranges(of: "listening on ").last else { return (0, "") }
        let address = log[place.upperBound...].prefix { !$0.isWhitespace && $0 != "," }
        let words = ["curl", "-s", "--max-time", "20", "-w", "\n%{http_code}", "http://\(address)/readyz"]
        let lines = try await execute(words).outputText.split(separator: "\n")
        return (lines.last.flatMap { Int($0) } ?? 0, lines.first.map(String.init) ?? "")
    }
}
