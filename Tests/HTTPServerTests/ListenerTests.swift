import Glibc
import HTTPServer
import Subprocess
import TestSupport
import Testing

/// The server over real sockets.
@Suite(.serialized) struct ListenerTests {
    private func listener(
        _ limits: ServerLimits = ServerLimits(),
        _ handler: @escaping Listener.Handler
    ) throws -> Listener {
        try Listener(try #require(Address("127.0.0.1:0")), limits: limits, handler: handler)
    }

    private func curl(_ words: String...) async throws -> Completion {
        try await execute(["curl", "-sS", "--max-time", "10"] + words)
    }

    /// Writes bytes to a fresh connection and reads until the server closes it.
    private func raw(_ port: UInt16, _ parts: [(text: String, pause: Duration)]) async throws -> String {
        let script = parts.map { part in
            "printf '%s' '\(part.text.replacing("'", with: "'\\''"))'; sleep \(part.pause.components.seconds)"
        }.joined(separator: "; ")
        let program =
            "{ \(script); } | timeout 15 bash -c 'exec 3<>/dev/tcp/127.0.0.1/\(port); cat <&3 & cat >&3; wait'"
        return try await execute(["bash", "-c", program], timeout: .seconds(30)).outputText
    }

    @Test func aRequestIsReadInFullAndAnswered() async throws {
        let listener = try listener { request in
            let fields = request.query.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            let text =
                "\(request.method) \(request.path) \(fields) \(request.body.count) \(request.client) \(request.headers["x-a"] ?? "")"
            return Response(201, type: "text/plain", text)
        }
        let large = String(repeating: "x", count: 100_000)
        let result = try await curl(
            "-H",
            "X-A: one",
            "--data-binary",
            large,
            "-w",
            " %{http_code}",
            "http://127.0.0.1:\(listener.port)/a%20b/c?n=1&m=%26"
        )
        #expect(result.outputText == #"POST /a b/c ["m=&", "n=1"] 100000 127.0.0.1 one 201"#)
        await listener.drain(within: .seconds(1))
        #expect(try await curl("http://127.0.0.1:\(listener.port)/").code == 7, "nobody listens any more")
    }

    @Test func whatIsTooLargeOrMalformedIsRefused() async throws {
        var limits = ServerLimits()
        limits.body = 1000
        let listener = try listener(limits) { _ in Response(200, type: "text/plain", "fine") }
        let address = "http://127.0.0.1:\(listener.port)/"
        let body = String(repeating: "x", count: 2000)
        let refused = try await curl("--data-binary", body, "-w", "%{http_code}", address)
        #expect(refused.outputText.hasSuffix("413") && refused.outputText.contains("larger than 1000 bytes"))
        let chunked = try await curl("-H", "Transfer-Encoding: chunked", "--data-binary", body, address)
        #expect(chunked.code != 0 && !chunked.outputText.contains("fine"), "the connection is closed")
        let field = try await curl("-H", "X: \(String(repeating: "x", count: 20_000))", "-w", "%{http_code}", address)
        #expect(field.outputText.hasSuffix("431") || field.outputText.hasSuffix("413"), "\(field.outputText)")
        for text in ["GARBAGE\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\u{0}\u{1}\u{2}\r\n\r\n", "GET /\r\nHost\r\n\r\n"] {
            let answer = try await raw(listener.port, [(text, .seconds(1))])
            #expect(!answer.contains("fine"), "\(text): \(answer)")
        }
        #expect(try await curl(address).outputText == "fine", "it goes on afterwards")
        await listener.drain(within: .seconds(1))
    }

    @Test func connectionsBeyondTheLimitAreRefused() async throws {
        var limits = ServerLimits()
        limits.connections = 4
        let listener = try listener(limits) { _ in Response(200, type: "text/plain", "fine") }
        let script = """
            for i in 1 2 3 4; do eval "exec 1$i<>/dev/tcp/127.0.0.1/\(listener.port)"; done
            sleep 0.3; curl -s --max-time 2 http://127.0.0.1:\(listener.port)/; echo " code $?"
            for i in 1 2 3 4; do eval "exec 1$i>&-"; done
            sleep 0.3; curl -s --max-time 2 http://127.0.0.1:\(listener.port)/
            """
        let result = try await execute(["bash", "-c", script])
        #expect(result.outputText.split(separator: "\n").last == "fine", "\(result.outputText)")
        #expect(!result.outputText.hasPrefix("fine"), "\(result.outputText)")
        await listener.drain(within: .seconds(1))
    }

    @Test func pipelinedRequestsAreAnsweredInTheirOrder() async throws {
        let listener = try listener { request in
            try? await Task.sleep(for: .milliseconds(request.path == "/1" ? 50 : 1))
            return Response(200, type: "text/plain", "<\(request.path)>")
        }
        let request = { (path: String) in "GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n" }
        let last = "GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        let answer = try await raw(listener.port, [(request("/1") + request("/2") + last, .seconds(1))])
        let order = answer.split(separator: "<").dropFirst().map { $0.prefix { $0 != ">" } }
        #expect(order == ["/1", "/2", "/3"], "\(answer)")
        await listener.drain(within: .seconds(1))
    }

    @Test(.timeLimit(.minutes(1))) func aRequestThatDoesNotArriveIsLetGo() async throws {
        var limits = ServerLimits()
        limits.arrival = .seconds(2)
        let listener = try listener(limits) { _ in Response(200, type: "text/plain", "fine") }
        let watch = Task { await listener.watch() }
        let start = ContinuousClock.now
        // A byte every second keeps a timeout of silence from ever ending it.
        let slow = "GET / HTTP/1.1\r\nX-Slow: ".map { ("\($0)", Duration.seconds(1)) }
        let answer = try await raw(listener.port, Array(slow.prefix(12)))
        #expect(!answer.contains("fine"))
        #expect(ContinuousClock.now - start < .seconds(14))
        watch.cancel()
        await listener.drain(within: .seconds(1))
    }

    @Test func aStreamGoesOnUntilEitherSideEndsIt() async throws {
        let (streams, added) = AsyncStream<ByteStream>.makeStream()
        let listener = try listener { _ in
            let stream = ByteStream()
            added.yield(stream)
            return Response(200, [("Content-Type", "text/event-stream")], body: .stream(stream))
        }
        async let reading = curl("-N", "http://127.0.0.1:\(listener.port)/")
        var iterator = streams.makeAsyncIterator()
        let stream = try #require(await iterator.next())
        for number in 1...3 {
            stream.send(SharedBytes(Array("data: \(number)\n\n".utf8)))
            try await Task.sleep(for: .milliseconds(30))
        }
        stream.finish()
        #expect(try await reading.outputText == "data: 1\n\ndata: 2\n\ndata: 3\n\n")
        #expect(!stream.send(SharedBytes([1])), "it is over")

        // A client that goes away is noticed with the next word.
        let (closed, close) = AsyncStream<Void>.makeStream()
        async let leaving = execute(["curl", "-sN", "--max-time", "1", "http://127.0.0.1:\(listener.port)/"])
        let second = try #require(await iterator.next())
        second.onClose { close.yield() }
        _ = try await leaving
        for _ in 0..<20 where listener.load.streams > 0 {
            second.send(SharedBytes(Array(": still there?\n\n".utf8)))
            try await Task.sleep(for: .milliseconds(50))
        }
        for await _ in closed { break }
        #expect(listener.load.streams == 0)
        await listener.drain(within: .seconds(1))
    }

    @Test func drainingLetsRequestsFinish() async throws {
        let listener = try listener { _ in
            try? await Task.sleep(for: .milliseconds(400))
            return Response(200, type: "text/plain", "fine")
        }
        async let slow = curl("http://127.0.0.1:\(listener.port)/")
        while listener.load.requests == 0 { try await Task.sleep(for: .milliseconds(5)) }
        await listener.drain(within: .seconds(5))
        #expect(try await slow.outputText == "fine")
    }

    @Test func aUnixSocketAndTLSServeAsWell() async throws {
        let scratch = try Scratch()
        let path = "\(scratch.path)/api.sock"
        let local = try Listener(try #require(Address("unix:\(path)"))) { request in
            Response(200, type: "text/plain", request.client)
        }
        #expect(try await curl("--unix-socket", path, "http://x/").outputText == "unix")
        #expect(throws: ServerError.self) {
            try Listener(try #require(Address("unix:\(path)"))) { _ in Response(200, type: "", "") }
        }
        await local.drain(within: .seconds(1))
        #expect(fileText(path) == nil)

        try await shell([
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost", "-keyout", "\(scratch.path)/key.pem", "-out",
            "\(scratch.path)/cert.pem",
        ])
        let tls = Listener.TLS(
            certificate: try #require(fileText("\(scratch.path)/cert.pem")),
            key: try #require(fileText("\(scratch.path)/key.pem"))
        )
        let secure = try Listener(try #require(Address("127.0.0.1:0")), tls: tls) { _ in
            Response(200, type: "text/plain", "safe")
        }
        let answer = try await curl(
            "--cacert",
            "\(scratch.path)/cert.pem",
            "https://localhost:\(secure.port)/"
        )
        #expect(answer.outputText == "safe", "\(answer.errorText)")
        #expect(throws: ServerError.self) {
            try Listener(try #require(Address("127.0.0.1:0")), tls: .init(certificate: "none", key: "none")) { _ in
                Response(200, type: "", "")
            }
        }
        await secure.drain(within: .seconds(1))
    }

    @Test func manyConnectionsAtOnceAreServed() async throws {
        let listener = try listener { _ in Response(200, type: "text/plain", "fine") }
        let result = try await execute(
            ["wrk", "-t2", "-c256", "-d2s", "http://127.0.0.1:\(listener.port)/"],
            timeout: .seconds(20)
        )
        #expect(result.code == 0 && !result.outputText.contains("errors"), "\(result.outputText)")
        for _ in 0..<200 where listener.load.requests > 0 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(listener.load.requests == 0, "whoever went away is forgotten")
        await listener.drain(within: .seconds(1))
    }

    /// As many requests at once as libmicrohttpd takes from the kernel in one go.
    ///
    /// With epoll it then waits for one more before it answers any (0.9.75, `MHD_epoll`). Other work keeps it from the first
    /// until all are there.
    @Test(.timeLimit(.minutes(1))) func requestsThatComeTogetherAreAnsweredThough() async throws {
        let listener = try listener { _ in Response(200, type: "text/plain", "fine") }
        let script = """
            import multiprocessing, os, socket, sys, time
            def work():
                while True: pass
            others = [multiprocessing.Process(target=work, daemon=True) for _ in range(2 * os.cpu_count())]
            for other in others: other.start()
            clients = [socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10) for _ in range(128)]
            longest, end = 0, time.monotonic() + 3
            while time.monotonic() < end:
                begin = time.monotonic()
                for client in clients: client.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
                for client in clients: client.recv(4096)
                longest = max(longest, time.monotonic() - begin)
            print(longest)
            """
        let result = try await execute(["python3", "-c", script, "\(listener.port)"], timeout: .seconds(40))
        let longest = Double(result.outputText.prefix { $0 != "\n" })
        #expect(try #require(longest) < 5, "\(result.outputText) \(result.errorText)")
        await listener.drain(within: .seconds(1))
    }
}
