import Delivery
import Glibc
import HTTPServer
import JSON
import Journal
import Server
import Testing

/// A minute of nonsense: half of it through the routes, half of it through real sockets.
@Suite struct FuzzTests {
    private struct Dice: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
    }

    private static let words = [
        "api", "v1", "apps", "default", "web", "..", "%2e%2e", "", " ", "\u{0}", "events", "stream", "webhooks",
        "github",
        "plan", "'", "\"", "<script>", "{target}", "💥", "sources", "login", "openapi.json",
        String(repeating: "a", count: 3000),
    ]
    private static let values = [
        "", "0", "-1", "9999999999999999999999", "true", "null", "%", "&", "=", "a;b", "default/web", "' OR 1=1 --",
        "\u{FFFD}",
        "1e9", "{}", "[", "\"", String(repeating: "9", count: 500),
    ]

    private func request(_ dice: inout Dice) -> Request {
        let size = Int.random(in: 0...6, using: &dice)
        let path = (0..<size).map { _ in Self.words.randomElement(using: &dice) ?? "" }.joined(separator: "/")
        var query: [String: String] = [:]
        for _ in 0..<Int.random(in: 0...3, using: &dice) {
            let name =
                ["limit", "cursor", "after", "ready", "subject", "q", "wait", "x"].randomElement(using: &dice) ?? ""
            query[name] = Self.values.randomElement(using: &dice)
        }
        var headers: [String: String] = [:]
        for _ in 0..<Int.random(in: 0...4, using: &dice) {
            let names = [
                "authorization", "cookie", "accept", "if-none-match", "last-event-id", "content-type",
                "x-hub-signature-256",
                "x-github-event", "x-timestamp",
            ]
            let value = [
                "Bearer \(ServerFixture.admin)", "Bearer a.b.c", "hecate_session=x", "text/html", "*", "sha256=zz",
                "application/x-www-form-urlencoded",
            ]
            headers[names.randomElement(using: &dice) ?? ""] =
                Bool.random(using: &dice) ? value.randomElement(using: &dice) : Self.values.randomElement(using: &dice)
        }
        let body: [UInt8] =
            Bool.random(using: &dice)
            ? Array((Self.values.randomElement(using: &dice) ?? "").utf8)
            : (0..<Int.random(in: 0...64, using: &dice)).map { _ in UInt8.random(in: 0...255, using: &dice) }
        return Request(
            method: ["GET", "POST", "HEAD", "PUT", "", "\u{0}"].randomElement(using: &dice) ?? "",
            path: "/" + path,
            query: query,
            headers: headers,
            body: body,
            client: "127.0.0.\(Int.random(in: 1...9, using: &dice))"
        )
    }

    @Test(.timeLimit(.minutes(2))) func theRoutesTakeEverything() async throws {
        let fixture = try ServerFixture {
            $0.webhooks = [WebhookSecret(source: "s", url: "u", branch: nil, secret: "x")]
        }
        try await fixture.add("web")
        let seed = UInt64.random(in: 1...UInt64.max)
        var dice = Dice(state: seed)
        let end = ContinuousClock.now + .seconds(30)
        var count = 0
        while ContinuousClock.now < end {
            let request = request(&dice)
            let response = await fixture.site.respond(to: request)
            if case .stream(let stream) = response.body { stream.finish() }
            count += 1
            if response.status >= 500 { Issue.record("seed \(seed): \(request) was answered with \(response.status)") }
        }
        #expect(count > 1000)
        #expect(try await fixture.store.verifyAudit().broken == nil)
    }

    private static func spoilt(_ bytes: [UInt8], _ dice: inout Dice) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 0...6, using: &dice) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &dice)
            switch Int.random(in: 0...3, using: &dice) {
            case 0: bytes[place] = UInt8.random(in: 0...255, using: &dice)
            case 1: bytes.remove(at: place)
            case 2: bytes.insert(contentsOf: bytes.prefix(Int.random(in: 0...40, using: &dice)), at: place)
            default: bytes = Array(bytes.prefix(place))
            }
        }
        return bytes
    }

    @Test(.timeLimit(.minutes(2))) func theParserTakesEverything() async throws {
        let fixture = try ServerFixture()
        try await fixture.add("web")
        let site = fixture.site
        let listener = try Listener(try #require(Address("127.0.0.1:0"))) { await site.respond(to: $0) }
        let port = listener.port
        let seed = UInt64.random(in: 1...UInt64.max)
        let samples = [
            "GET /api/v1/apps HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(ServerFixture.admin)\r\n\r\n",
            "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\ntoken=x",
            "POST /api/v1/webhooks/github HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
            "GET /%00%ff/..%2f?a=%zz&b HTTP/1.1\r\nHost: x\r\nCookie: a=b; hecate_session=\r\n\r\n",
        ].map { Array($0.utf8) }
        let end = ContinuousClock.now + .seconds(30)
        let sent = await withTaskGroup(of: Int.self) { group in
            for lane in 0..<4 {
                group.addTask {
                    var dice = Dice(state: seed &+ UInt64(lane))
                    var count = 0
                    while ContinuousClock.now < end {
                        let bytes = Self.spoilt(samples.randomElement(using: &dice) ?? [], &dice)
                        if exchange(bytes, port, patience: 20) { count += 1 }
                        await Task.yield()
                    }
                    return count
                }
            }
            return await group.reduce(0, +)
        }
        #expect(sent > 500, "seed \(seed)")
        let good = Array("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".utf8)
        #expect(exchange(good, port, patience: 2000), "seed \(seed): it goes on afterwards")
        await listener.drain(within: .seconds(1))
    }
}

/// Sends bytes over a connection of their own and takes what comes back within some milliseconds.
private func exchange(_ bytes: [UInt8], _ port: UInt16, patience: Int32) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isConnected = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) == 0 }
    }
    guard isConnected else { return false }
    _ = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    if patience < 1000 { shutdown(descriptor, Int32(SHUT_WR)) }
    var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard poll(&event, 1, patience) > 0 else { return patience < 1000 }
    var buffer = [UInt8](repeating: 0, count: 4096)
    return recv(descriptor, &buffer, buffer.count, 0) > 0 || patience < 1000
}
