import Glibc
import JSON
import Subprocess
import TestSupport
import Testing

/// The API and dashboard of a real controller on a real Swarm, through real sockets.
@Suite(.serialized) struct DashboardTests {
    private static let token = "anna-0123456789abcdef"
    private static let server = """
        server:
          listen: 127.0.0.1:0
          rate: 1000
          tokens:
            - {name: anna, role: admin, token: \(token)}
            - {name: vera, role: viewer, token: vera-0123456789abcdef}
        """

    /// The address that a controller's log names.
    private func address(_ fleet: Fleet) async throws -> String {
        var found: Substring?
        try await fleet.eventually("the server listens") {
            guard let place = fleet.log.firstRange(of: "listening on ") else { return false }
            found = fleet.log[place.upperBound...].prefix { !$0.isWhitespace && $0 != "," }
            return true
        }
        return "http://\(found ?? "")"
    }

    private func curl(_ words: String...) async throws -> Completion {
        try await execute(["curl", "-sS", "--max-time", "60", "-H", "Authorization: Bearer \(Self.token)"] + words)
    }

    private func document(_ address: String) async throws -> JSON {
        try JSON(parsing: try await curl(address).output)
    }

    /// A service that is never healthy.
    private static let sick = """
        services:
          one:
            image: web:1.0.0
            command: sh -c 'trap exit TERM; while true; do sleep 0.2; done'
            environment: {A: 2}
            stop_grace_period: 1s
            healthcheck: {test: [CMD, "false"], interval: 500ms, timeout: 1s, retries: 2, start_period: 0s}
        """

    @Test(.timeLimit(.minutes(4))) func aBrowserSeesADeploymentFailAndComeBack() async throws {
        let fleet = try await Fleet(extra: Self.server + "\n  anonymous: viewer")
        try await fleet.commit(stacks: ["{name: PREFIXweb, compose_file: web.yml}"], ["web.yml": sleeper()])
        let browser = try Browser()
        try await fleet.running {
            let base = try await address(fleet)
            try await fleet.settled("web")
            try await browser.start()
            try await browser.open(base)
            try await browser.until("document.getElementById('live').textContent === 'live'")
            try await browser.until("document.querySelector('tbody').innerText.includes('ready')")
            _ = try await browser.value("window.marked = true")

            try await fleet.commit(["web.yml": Self.sick], "Nobody tried this")
            try await browser.until("document.querySelector('tbody').innerText.includes('changing')")
            try await browser.picture("deployment-under-way")
            try await browser.until(
                "document.querySelector('tbody').innerText.includes('rolled back')",
                within: .seconds(90)
            )
            #expect(try await browser.value("window.marked").bool == true, "without a reload")
            try await browser.picture("deployment-rolled-back")

            try await browser.open("\(base)/apps/default/\(fleet.name("web"))")
            let text = try await browser.value("document.body.innerText").string ?? ""
            for word in [
                "What runs", "HealthCheckFailed", "RolledBack", "which was rolled back",
                "before its health check passed", "environment.A",
                "Kept revisions", "running",
            ] {
                #expect(text.contains(word), "\(word) in \(text)")
            }
            try await browser.picture("app-rolled-back")
            for path in ["/events", "/sources"] { try await browser.open(base + path) }
            #expect(await browser.errors == [])
        }
        await browser.stop()
        try await fleet.clean("web")
    }

    @Test(.timeLimit(.minutes(3))) func eventsAreHeardAsTheyHappenAndTakenUpAgain() async throws {
        let fleet = try await Fleet(extra: Self.server)
        try await fleet.commit(stacks: ["{name: PREFIXweb, compose_file: web.yml}"], ["web.yml": sleeper()])
        try await fleet.running {
            let base = try await address(fleet)
            try await fleet.settled("web")
            let stream = "\(base)/api/v1/events/stream"
            let heard = "\(fleet.scratch.path)/heard"
            try fleet.scratch.write("", to: "heard")
            let listening = Task {
                try await execute(
                    ["sh", "-c", "exec curl -sN -H 'Authorization: Bearer \(Self.token)' \(stream) >\(heard)"],
                    timeout: .seconds(60)
                )
            }
            try await fleet.eventually("somebody listens") { fileText(heard)?.contains("retry:") ?? false }
            try await fleet.commit(["web.yml": sleeper("A: 0")], "While somebody listens")
            try await fleet.eventually("it is heard") { fileText(heard)?.contains("event: Deployed") ?? false }
            listening.cancel()
            func numbers(_ text: String) -> [Int] {
                text.split(separator: "\n").filter { $0.hasPrefix("id: ") }.compactMap { Int($0.dropFirst(4)) }
            }
            let seen = numbers(fileText(heard) ?? "")
            #expect(seen.count >= 2 && seen == seen.sorted() && Set(seen).count == seen.count, "\(seen)")

            // What happens while nobody listens is told afterwards, from the number that was heard last.
            try await fleet.commit(["web.yml": sleeper("A: 2")], "Another")
            try await fleet.settled("web")
            let last = try #require(seen.last)
            let missed = try await execute([
                "curl", "-sN", "--max-time", "2", "-H", "Authorization: Bearer \(Self.token)", "-H",
                "Last-Event-ID: \(last)", stream,
            ])
            let after = numbers(missed.outputText)
            let all = try await document("\(base)/api/v1/events?after=\(last)&limit=1000")["items"]?.array ?? []
            #expect(after == all.compactMap { $0["number"]?.int.map { Int($0) } }.reversed())
            #expect(missed.outputText.contains("event: Deployed"))
            let own = try await execute([
                "curl", "-sN", "--max-time", "2", "-H", "Authorization: Bearer \(Self.token)",
                "\(stream)?after=0&subject=fleet",
            ])
            #expect(own.outputText.contains("\"subject\":\"fleet\"") && !own.outputText.contains("default/"))
        }
        try await fleet.clean("web")
    }

    @Test(.timeLimit(.minutes(3))) func aWebhookWakesItsSourceAndNoOther() async throws {
        let fleet = try await Fleet()
        let other = try await TestRepository(at: "\(fleet.scratch.path)/other")
        let files = ["web.yml": sleeper()]
        try await fleet.commit(stacks: ["{name: PREFIXweb, compose_file: web.yml}"], files)
        try await other.commit(["stacks.yml": "stacks: []\n"])
        try fleet.scratch.write(
            """
            sources:
              - {name: one, url: '\(fleet.repository.path)', poll_interval: 1h, webhook_secret: 0123456789abcdef}
              - {name: two, url: '\(other.path)', poll_interval: 1h, webhook_secret: 0123456789abcdef}
            targets: [{name: default, endpoint: '\(fleet.engine)'}]
            store: \(fleet.store)
            limits: {verify_window: 1s}
            \(Self.server)
            """,
            to: "config.yml"
        )
        try await fleet.running {
            let base = try await address(fleet)
            try await fleet.settled("web")
            try await fleet.commit(["web.yml": sleeper("A: 2")], "Pushed")
            try await other.commit(["stacks.yml": "stacks: [] # changed\n"])
            try await Task.sleep(for: .seconds(2))
            #expect(try await !fleet.isSettled("web"), "nothing looks for an hour")
            let body = #"{"ref":"refs/heads/main","repository":{"clone_url":"\#(fleet.repository.path)"}}"#
            let signature = try await execute([
                "sh", "-c", "printf '%s' '\(body)' | openssl dgst -sha256 -hmac 0123456789abcdef -r | cut -d' ' -f1",
            ])
            func push(_ signature: String) async throws -> String {
                let fields = ["-H", "X-GitHub-Event: push", "-H", "X-Hub-Signature-256: sha256=\(signature)"]
                let words = ["curl", "-sS", "-w", "%{http_code}"] + fields + ["-d", body]
                return try await execute(words + ["\(base)/api/v1/webhooks/github"]).outputText
            }
            #expect(try await push(String(repeating: "0", count: 64)).hasSuffix("401"))
            #expect(try await push(trimmedLine(signature.outputText)).hasSuffix("202"))
            try await fleet.settled("web", within: .seconds(30))
            let sources = try await document("\(base)/api/v1/sources")["items"]?.array ?? []
            let heads = Dictionary(
                sources.map { ($0["name"]?.string ?? "", $0["commit"]?.string ?? "") }
            ) { first, _ in first }
            #expect(try await heads["one"] == fleet.repository.head())
            #expect(try await heads["two"] != other.head(), "the other one still sleeps")
        }
        try await fleet.clean("web")
    }

    @Test(.timeLimit(.minutes(3))) func prometheusReadsIt() async throws {
        let fleet = try await Fleet(extra: Self.server)
        try await fleet.commit(stacks: ["{name: PREFIXweb, compose_file: web.yml}"], ["web.yml": sleeper()])
        try await fleet.running {
            let base = try await address(fleet)
            try await fleet.settled("web")
            let text = try await curl("\(base)/metrics").outputText
            for name in [
                "hecate_reconcile_duration_seconds_bucket", "hecate_queue_depth", "hecate_source_fetches_total",
                "hecate_deployments_total{target=\"default\",result=\"deployed\"} 1", "process_resident_memory_bytes",
                "hecate_http_requests_total",
            ] {
                #expect(text.contains(name), "\(name)")
            }
            try fleet.scratch.write(text, to: "metrics")
            let check = try await execute(["sh", "-c", "promtool check metrics <\(fleet.scratch.path)/metrics"])
            #expect(check.code == 0, "\(check.errorText)")

            let port = freePort()
            try fleet.scratch.write(
                """
                global: {scrape_interval: 1s, scrape_timeout: 1s}
                scrape_configs:
                  - job_name: hecate
                    authorization: {credentials: vera-0123456789abcdef}
                    static_configs: [{targets: ['\(base.dropFirst("http://".count))']}]
                """,
                to: "prometheus.yml"
            )
            let folder = fleet.scratch.path
            let check2 = try await execute(["promtool", "check", "config", "\(folder)/prometheus.yml"])
            #expect(check2.code == 0, "\(check2.errorText)")
            let prometheus = Task {
                try await execute(
                    [
                        "prometheus", "--config.file=\(folder)/prometheus.yml", "--storage.tsdb.path=\(folder)/tsdb",
                        "--web.listen-address=127.0.0.1:\(port)",
                    ],
                    timeout: .seconds(120)
                )
            }
            defer { prometheus.cancel() }
            let query = "http://127.0.0.1:\(port)/api/v1/query?query="
            try await fleet.eventually("Prometheus has it") {
                let answer = try await execute(["curl", "-s", "\(query)hecate_apps%7Bstate%3D%22ready%22%7D"])
                let result = try? JSON(parsing: answer.output)["data"]?["result"]?.array?.first
                return result?["value"]?.array?.last?.string == "1"
            }
            let targets = try JSON(
                parsing: try await execute(["curl", "-s", "http://127.0.0.1:\(port)/api/v1/targets"]).output
            )
            let target = targets["data"]?["activeTargets"]?.array?.first
            #expect(target?["health"]?.string == "up" && target?["lastError"]?.string == "")
        }
        try await fleet.clean("web")
    }

    @Test(.timeLimit(.minutes(3))) func readinessSaysWhatIsWrong() async throws {
        let fleet = try await Fleet(extra: Self.server)
        try await fleet.commit(stacks: ["{name: PREFIXweb, compose_file: web.yml}"], ["web.yml": sleeper()])
        try await fleet.running {
            let base = try await address(fleet)
            try await fleet.settled("web")
            let well = try await curl("-w", "%{http_code}", "\(base)/readyz").outputText
            #expect(well.hasSuffix("200"), "\(well)")
            try await shell(["mv", fleet.repository.path, "\(fleet.repository.path)-away"])
            try await fleet.eventually("it is not ready") {
                try await curl("-w", "%{http_code}", "\(base)/readyz").outputText.hasSuffix("503")
            }
            let checks = try await document("\(base)/readyz")["checks"]?.array ?? []
            let wrong = checks.filter { $0["ready"]?.bool == false }
            #expect(
                wrong.count == 1 && wrong[0]["kind"]?.string == "source" && wrong[0]["reason"]?.string != nil,
                "\(checks)"
            )
            #expect(try await curl("\(base)/healthz").outputText == "ok\n", "it is alive all the same")
            let logs = try await document("\(base)/api/v1/apps/default/\(fleet.name("web"))/plan")
            #expect(logs["changes"]?.array?.isEmpty == true, "the plan needs no Git")
            try await shell(["mv", "\(fleet.repository.path)-away", fleet.repository.path])
            try await fleet.eventually("it is ready again") {
                try await curl("-w", "%{http_code}", "\(base)/readyz").outputText.hasSuffix("200")
            }
        }
        try await fleet.clean("web")
    }

    @Test(.timeLimit(.minutes(3))) func theLastLinesOfAnAppAreShown() async throws {
        let fleet = try await Fleet(extra: Self.server)
        let talker = """
            services:
              one:
                image: web:1.0.0
                command: sh -c 'echo hello from one; trap exit TERM; while true; do sleep 0.2; done'
            """
        try await fleet.commit(stacks: ["{name: PREFIXweb, compose_file: web.yml}"], ["web.yml": talker])
        try await fleet.running {
            let base = try await address(fleet)
            try await fleet.settled("web")
            let lines =
                try await document("\(base)/api/v1/apps/default/\(fleet.name("web"))/logs")["lines"]?.array ?? []
            let last = lines.last?.string ?? ""
            #expect(last.hasSuffix("\(fleet.name("web"))_one | hello from one") && last.hasPrefix("20"), "\(lines)")
        }
        try await fleet.clean("web")
    }

    @Test(.timeLimit(.minutes(2))) func aStopLetsWhatIsUnderWayFinish() async throws {
        let fleet = try await Fleet(
            extra: Self.server + "\n  socket: '/tmp/hecate-\(UInt32.random(in: 0...UInt32.max)).sock'"
        )
        try await fleet.commit(stacks: ["{name: PREFIXweb, compose_file: web.yml}"], ["web.yml": sleeper()])
        let log = "\(fleet.scratch.path)/log"
        let command = "exec \(fleet.binary) run \(fleet.config) --log text 2>>\(log)"
        async let controller = execute(["sh", "-c", command], timeout: .seconds(90))
        let base = try await address(fleet)
        try await fleet.settled("web")
        async let stream = execute([
            "curl", "-sSN", "--max-time", "30", "-H", "Authorization: Bearer \(Self.token)",
            "\(base)/api/v1/events/stream",
        ])
        try await Task.sleep(for: .seconds(1))
        try await shell(["pkill", "-TERM", "-f", "hecate run \(fleet.config)"])
        let start = ContinuousClock.now
        #expect(try await stream.code == 0, "the stream ends as streams do")
        #expect(try await controller.code == 0)
        #expect(ContinuousClock.now - start < .seconds(10))
        #expect(try await curl("\(base)/healthz").code == 7, "nobody listens any more")
        try await fleet.clean("web")
    }
}
