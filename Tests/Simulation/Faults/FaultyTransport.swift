import HTTP

/// What a controller calls an Engine through: takes time, and fails as the storm wants it.
struct FaultyTransport: Transport {
    let target: Target
    let life: Life
    let simulation: Simulation

    func send(_ request: Request) async throws -> Response {
        let world = World.shared
        let began = world.now
        let deadline = began + (request.timeout?.nanosecondsRoundedUp ?? seconds(3600))
        Statistics.count("calls")
        simulation.laws.calls(life)
        if request.method == "GET" {
            simulation.laws.questions(request, life)
        } else {
            simulation.laws.sends(request, to: target, life)
        }
        if world.now < target.silentUntil { return try await expire(deadline) }
        await wait()
        if isCutOff { throw TransportError(description: "couldn't connect to server") }
        let fault = simulation.faultOfNextCall()
        if let fault { simulation.trace("\(life) fault \(fault.rawValue): \(request.method) \(request.path)") }
        switch fault {
        case .error: return Self.failed
        case .refused: throw TransportError(description: "couldn't connect to server")
        case .timeout: return try await expire(deadline)
        case .crashBefore:
            simulation.crash(life, lostStore: false)
            await world.hang()
        case .slow: await world.pause(Int64(world.random.within(1...12)) * seconds(1))
        case .lostAnswer, .lateAnswer, .crashAfter, nil: break
        }
        if isCutOff { throw TransportError(description: "couldn't connect to server") }
        if request.method != "GET" { target.strain(by: life) }
        let response = target.perform(
            world.now < target.deafUntil ? unfiltered(request) : request,
            by: .controller(life)
        )
        switch fault {
        case .lostAnswer: throw TransportError(description: "connection reset by peer")
        case .lateAnswer: return try await expire(deadline)
        case .crashAfter:
            simulation.crash(life, lostStore: false)
            await world.hang()
        default: break
        }
        return response
    }

    func stream(_ request: Request) -> AsyncThrowingStream<[UInt8], any Error> { target.listen(life.owner) }

    private var isCutOff: Bool {
        World.shared.now < max(target.downUntil, target.cutOff[life.controller] ?? 0)
    }

    private func wait() async {
        let world = World.shared
        if world.now < target.crawlUntil { await world.pause(Int64(world.random.within(4...20)) * seconds(1)) }
        if world.now < target.slowUntil { await world.pause(Int64(world.random.within(200...4000)) * 1_000_000) }
        if world.random.happens(0.8) { await world.pause(Int64(world.random.within(100_000...3_000_000))) }
    }

    private func expire(_ deadline: Int64) async throws -> Response {
        await World.shared.pause(max(0, deadline - World.shared.now))
        throw TransportError(description: "timeout was reached")
    }

    /// The question for a list without its filters, as a proxy leaves it that drops them; any other as it is.
    private func unfiltered(_ request: Request) -> Request {
        guard request.method == "GET", request.path.contains("?filters=") else { return request }
        var request = request
        request.path = request.path.replacing("?filters=", with: "?unheard=")
        return request
    }

    private static let failed = Response(
        status: 500,
        body: Array(#"{"message":"rpc error: code = DeadlineExceeded desc = context deadline exceeded"}"#.utf8)
    )
}
