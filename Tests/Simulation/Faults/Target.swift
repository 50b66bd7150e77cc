import HTTP
import JSON
import SimulatedEngine

/// One simulated Swarm with the network in front of it.
// SAFETY: the process has a single thread.
final class Target: @unchecked Sendable {
    let name: String
    let engine: SimulatedEngine
    /// The Engine's wall clock at the world's beginning; the controller's may jump, the Engine's does not.
    private let start: Int64
    private unowned let simulation: Simulation

    /// Until when nobody listens there, it never answers, it answers slowly.
    var downUntil: Int64 = 0
    var silentUntil: Int64 = 0
    var slowUntil: Int64 = 0
    /// Until when something on the way drops the filters of questions.
    var deafUntil: Int64 = 0
    /// Until when every answer takes nearly as long as anybody waits for one.
    var crawlUntil: Int64 = 0
    /// Until when a controller, by its number, finds no way here.
    var cutOff: [Int: Int64] = [:]
    /// The changes after which the way to it breaks, and for how long; nil when it holds.
    var breaking: (changes: Int, duration: Int64)?
    /// The stacks that people changed something of.
    var touched: Set<String> = []
    private var streams: [Stream] = []
    private var pumpedAt: Int64 = -1

    private struct Stream {
        var owner: World.Owner
        var continuation: AsyncThrowingStream<[UInt8], any Error>.Continuation
    }

    /// Streams of the dead: a stream that is let go of wakes its reader, and the dead do not wake.
    private nonisolated(unsafe) static var graves: [Stream] = []

    init(name: String, seed: UInt64, simulation: Simulation) {
        self.name = name
        self.simulation = simulation
        start = World.shared.wall
        engine = SimulatedEngine(seed: seed, start: start)
    }

    func begin() { engine.onEvent = { [unowned self] event in deliver(event) } }

    /// Lets the Engine do what a request asks for, at this moment.
    @discardableResult
    func perform(_ request: Request, by caller: Caller) -> Response {
        advance()
        let world = World.shared
        let mutation: Mutating? = request.method == "GET" ? nil : simulation.laws.asks(request, of: self, by: caller)
        let response = engine.handle(request)
        if let mutation { simulation.laws.done(mutation, response, on: self, by: caller) }
        world.note(request.method + request.path + "\(response.status)")
        simulation.trace("\(caller) \(name) \(request.method) \(request.path) -> \(response.status)")
        pump()
        return response
    }

    /// `systemctl restart docker`: the containers of this node end, and nobody listens for a while.
    func restart(downFor duration: Int64) {
        advance()
        engine.restart(downFor: duration)
        downUntil = World.shared.now + duration
        breakStreams()
        pump()
    }

    /// Somebody drains or pauses the only node, or lets it work again.
    func setNode(availability: String) {
        advance()
        engine.setNode("vm", availability: availability)
        pump()
    }

    /// A controller changes something: sometimes that is what breaks the way to it, right after.
    func strain(by life: Life) {
        guard let left = breaking else { return }
        guard left.changes <= 1 else {
            breaking?.changes = left.changes - 1
            return
        }
        breaking = nil
        World.shared.at(World.shared.now, for: World.nobody) { [weak self] in
            guard let self else { return }
            simulation.trace("-- the way to \(name) breaks for \(left.duration / 1_000_000_000) s")
            downUntil = World.shared.now + left.duration
            breakStreams()
        }
    }

    /// The Engine's time follows the world's.
    func advance() { engine.advance(to: start + World.shared.now) }

    /// Sees to it that the Engine turns when something of its own is due.
    func pump() {
        let world = World.shared
        guard let next = engine.nextEvent, next != pumpedAt else { return }
        pumpedAt = next
        world.at(next - start, for: World.nobody) { [weak self] in
            guard let self, pumpedAt == next else { return }
            pumpedAt = -1
            advance()
            pump()
        }
    }

    // MARK: Events

    func listen(_ owner: World.Owner) -> AsyncThrowingStream<[UInt8], any Error> {
        AsyncThrowingStream { continuation in
            guard !isUnreachable else {
                return continuation.finish(throwing: TransportError(description: "couldn't connect to server"))
            }
            streams.append(Stream(owner: owner, continuation: continuation))
        }
    }

    var isUnreachable: Bool { World.shared.now < downUntil || World.shared.now < silentUntil }

    private func deliver(_ event: JSON) {
        guard event["scope"]?.string != "local", World.shared.now >= silentUntil else { return }
        let line = event.encoded() + [0x0A]
        for stream in streams {
            let delay = Int64(World.shared.random.within(100_000...5_000_000))
            World.shared.at(World.shared.now + delay, for: stream.owner) { stream.continuation.yield(line) }
        }
    }

    /// Breaks every stream, as a restart does.
    func breakStreams() {
        let broken = streams
        streams = []
        for stream in broken {
            World.shared.at(World.shared.now, for: stream.owner) {
                stream.continuation.finish(throwing: TransportError(description: "connection reset by peer"))
            }
            Self.graves.append(stream)
        }
    }

    func forget(_ owner: World.Owner) {
        Self.graves += streams.filter { $0.owner == owner }
        streams.removeAll { $0.owner == owner }
    }

    /// Lets go of what a finished seed leaves behind.
    func end() {
        engine.onEvent = nil
        Self.graves += streams
        streams = []
    }
}

/// Who calls an Engine.
enum Caller: CustomStringConvertible {
    case controller(Life)
    case person

    var description: String {
        switch self {
        case .controller(let life): life.description
        case .person: "a person"
        }
    }
}
