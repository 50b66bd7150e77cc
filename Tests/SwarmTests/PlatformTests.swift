import Delivery
import HTTP
import JSON
import Synchronization
import Testing

@testable import Swarm

/// What a Swarm is asked for and what is believed of its answers.
@Suite struct PlatformTests {
    /// An Engine with a fixed answer for each path; the rest is empty.
    private final class Answers: Transport {
        private let answers: [String: (status: Int, body: JSON)]
        let asked = Mutex<[String]>([])

        init(_ answers: [String: (status: Int, body: JSON)]) { self.answers = answers }

        func send(_ request: Request) async throws -> Response {
            let path = request.path.split(separator: "?").first.map(String.init) ?? ""
            let short = path.hasPrefix("/v1.41") ? String(path.dropFirst(6)) : path
            asked.withLock { $0.append("\(request.method) \(short)") }
            let version: JSON = ["ApiVersion": "1.41", "Version": "20.10.24"]
            let answer = short == "/version" ? (200, version) : answers["\(request.method) \(short)"] ?? (200, [])
            return Response(status: answer.0, body: Array(answer.1.text().utf8))
        }

        func stream(_ request: Request) -> AsyncThrowingStream<[UInt8], any Error> { AsyncThrowingStream { nil } }
    }

    /// An Engine that answers a ping as one does, or behind something that takes its headers away.
    private final class Pinged: Transport {
        private let headers: [String: String]
        let asked = Mutex<[String]>([])

        init(headers: [String: String]) { self.headers = headers }

        func send(_ request: Request) async throws -> Response {
            asked.withLock { $0.append(request.path) }
            let version = #"{"ApiVersion":"1.44","Version":"25.0.3"}"#
            let body = request.path == "/version" ? version : request.path == "/_ping" ? "OK" : "[]"
            let isWanted = request.path == "/_ping" && Set(request.wanted) == ["api-version", "server"]
            return Response(status: 200, body: Array(body.utf8), headers: isWanted ? headers : [:])
        }

        func stream(_ request: Request) -> AsyncThrowingStream<[UInt8], any Error> { AsyncThrowingStream { nil } }
    }

    @Test(arguments: [
        (["api-version": "1.41", "server": "Docker/20.10.24+dfsg1 (linux)"], "1.41", "20.10.24+dfsg1", 1),
        (["api-version": "1.99", "server": "Docker/40.0 (linux)"], "1.50", "40.0", 1),
        ([:], "1.44", "25.0.3", 2), (["api-version": "1.44", "server": "nginx"], "1.44", "25.0.3", 2),
        (["api-version": "", "server": "Docker/"], "1.44", "25.0.3", 2),
    ])
    func anEngineIsKnownByItsPing(_ headers: [String: String], api: String, engine: String, calls: Int) async throws {
        let pinged = Pinged(headers: headers)
        let client = EngineClient(transport: pinged, name: "default")
        #expect(try await client.version().description == api)
        #expect(try await client.engineVersion() == engine)
        _ = try await client.call("GET", "/services")
        #expect(pinged.asked.withLock { $0.count } == calls + 1)
        #expect(pinged.asked.withLock { $0.last } == "/v\(api)/services")
    }

    @Test func anEngineThatIsTooOldIsRefused() async throws {
        let client = EngineClient(
            transport: Pinged(headers: ["api-version": "1.24", "server": "Docker/1 (linux)"]),
            name: "x"
        )
        do {
            _ = try await client.version()
            Issue.record("taken")
        } catch let failure as Failure {
            #expect(failure.reason == .refused && failure.message.contains("speaks API 1.24"))
        }
    }

    private func platform(_ engine: Answers, kept: [[UInt8]] = []) -> SwarmPlatform {
        SwarmPlatform(
            engine: EngineClient(transport: engine, name: "default"),
            settings: SwarmSettings(name: "default", registries: [], kept: { _ in kept })
        )
    }

    /// What a stacks file and a Compose file declare, on a platform.
    private func deployment(
        _ entry: String,
        _ compose: String,
        on platform: SwarmPlatform
    ) async throws
        -> SwarmDeployment
    {
        let reader = fleetReader(of: platform)
        let files = Files(["stacks.yml": "stacks: [{name: s, compose_file: a.yml\(entry)}]", "a.yml": compose])
        let app = try #require(try await reader.fleet(at: files).fleet.apps.first)
        return try #require(try await app.prepare(files) as? SwarmDeployment)
    }

    private let image = "x@sha256:\(String(repeating: "ab", count: 32))"

    /// An object of a stack, as the Engine lists it.
    private func object(_ number: Int, _ name: String, of stack: String) -> JSON {
        let labels: JSON = ["com.docker.stack.namespace": .string(stack)]
        return [
            "ID": .string("id\(number)"), "Id": .string("id\(number)"), "Name": .string(name), "Labels": labels,
            "Version": ["Index": 1], "Spec": ["Name": .string(name), "Labels": labels],
        ]
    }

    // MARK: What is believed

    /// An Engine, or a proxy before it, that does not heed label filters.
    @Test func whatTheEngineListsOfOthersIsLeftOut() async throws {
        func list(_ kind: String) -> (Int, JSON) {
            (200, [object(1, "s_\(kind)", of: "s"), object(2, "s2_\(kind)", of: "s2"), object(3, "s_other", of: "")])
        }
        let engine = Answers([
            "GET /services": list("a"), "GET /networks": list("b"), "GET /configs": list("c"),
            "GET /secrets": list("d"),
        ])
        let platform = platform(engine)
        let plan = try await platform.removal(of: AppID(target: "default", name: "s")).plan(observedSince: .now).plan
        #expect(plan.changes.map(\.subject) == ["service s_a", "network s_b", "config s_c", "secret s_d"])
        let nothing = await #expect(throws: Failure.self) {
            try await platform.removal(of: AppID(target: "default", name: "")).plan(observedSince: .now)
        }
        #expect(nothing?.message == "a stack without a name")
    }

    @Test func whatTheEngineListsOfOthersIsNotShown() async throws {
        let engine = Answers([
            "GET /services": (200, [object(1, "s_a", of: "s"), object(2, "s2_a", of: "s2"), object(3, "s_b", of: "")])
        ])
        let platform = platform(engine)
        let id = AppID(target: "default", name: "s")
        let shown = try await platform.describe(id).array?.compactMap { $0["name"]?.string }
        #expect(shown == ["s_a"])
        _ = await platform.logs(of: id, lines: 10)
        let read = engine.asked.withLock { $0.filter { $0.hasSuffix("/logs") } }
        #expect(read.count == 1, "\(read)")
    }

    /// A removed network's name is free only when its last task has ended.
    @Test(arguments: [
        (409, "network with name s_default already exists"), (403, "network s_default is already in use"),
        (500, "rpc error: code = AlreadyExists desc = name conflicts with an existing object"),
    ])
    func aNameThatIsStillTakenIsAConflict(answer: (status: Int, message: String)) async throws {
        let engine = Answers([
            "POST /networks/create": (answer.status, ["message": .string(answer.message)])
        ])
        let wanted = try await deployment("", "services: {web: {image: '\(image)'}}", on: platform(engine))
        let planned = try await wanted.plan(observedSince: .now)
        let claimant = Claimant(owner: "fleet", controller: "c", until: .now + .seconds(60))
        let failure = await #expect(throws: Failure.self) {
            try await planned.apply(Ownership(confirmedByTarget: wanted.id, for: claimant))
        }
        #expect(failure?.reason == .conflict, "\(String(describing: failure))")
        #expect(engine.asked.withLock { $0.count { $0.hasPrefix("POST") } } == 1)
    }

    @Test func anExternalVolumeNeedNotBeThere() async throws {
        let engine = Answers([:])
        let compose = "services: {web: {image: '\(image)', volumes: ['v:/v']}}\nvolumes: {v: {external: true}}"
        let planned = try await deployment("", compose, on: platform(engine)).plan(observedSince: .now)
        #expect(planned.plan.changes.map(\.subject) == ["network s_default", "service s_web"])
        #expect(!engine.asked.withLock { $0.contains { $0.contains("volumes") } })
    }

    /// What services use the Engine does not let go meanwhile.
    @Test func whoWatchesServicesDoesNotAskForAllTheyUseEachTime() async throws {
        let engine = Answers(["GET /services": (200, [object(1, "s_web", of: "s")])])
        let platform = platform(engine)
        let compose = "services: {web: {image: '\(image)', configs: [c]}}\nconfigs: {c: {content: x}}"
        let wanted = try await deployment("", compose, on: platform)
        func asked(_ mark: String?) async throws -> [String] {
            engine.asked.withLock { $0 = [] }
            _ = try await wanted.plan(observedSince: .now, mark: mark)
            return engine.asked.withLock { Set($0).sorted() }
        }
        let all = ["GET /configs", "GET /networks", "GET /secrets", "GET /services", "GET /tasks"]
        #expect(try await asked("index 1") == all)
        #expect(try await asked("index 1") == ["GET /services", "GET /tasks"])
        #expect(try await asked(nil) == all, "who compares afresh asks for everything")
        await platform.willChange(wanted.id)
        #expect(try await asked("index 1") == all, "what was changed is looked at as a whole")
    }

    // MARK: What is kept

    @Test func aRevisionIsPutBackWithTheOptionsItHad() async throws {
        let entry = ", prune: false, registry_auth: false, resolve_image: never, ignore_differences: [web.replicas]"
        let platform = platform(Answers([:]))
        let declared = try await deployment(entry, "services: {web: {image: x}}", on: platform)
        let payload = try await declared.plan(observedSince: .now).payload()
        let restored = try #require(try await platform.restore(declared.id, payload: payload) as? SwarmDeployment)
        for options in [declared.options, restored.options] {
            #expect(!options.prunes && !options.sendsRegistryAuth && !options.resolvesImages)
            #expect(options.ignored.map { "\($0.service).\($0.field)" } == ["web.replicas"])
        }
    }

    /// How a stack is treated is no part of what it is: an update of Hecate, or of an option, tries nothing again.
    @Test func anotherTreatmentIsTheSameRevision() async throws {
        let platform = platform(Answers([:]))
        let compose = "services: {web: {image: x}}"
        let usual = try await deployment("", compose, on: platform)
        #expect(usual.treatment.isEmpty)
        var seen: Set<String> = []
        for entry in [", prune: false", ", registry_auth: false", ", ignore_differences: [web.replicas]"] {
            let other = try await deployment(entry, compose, on: platform)
            #expect(other.fingerprint == usual.fingerprint && !other.treatment.isEmpty)
            #expect(seen.insert(other.treatment).inserted)
            let payload = try await other.plan(observedSince: .now).payload()
            #expect(try await platform.restore(other.id, payload: payload).treatment == other.treatment)
        }
    }

    /// Who cleans unused configs away takes the claims along, and HiveMind's marks.
    @Test func aNamePrefixOutlivesItsClaim() async throws {
        let mark: JSON = [
            "ID": "m", "Version": ["Index": 1],
            "Spec": [
                "Name": "hivemind-state-s",
                "Labels": ["io.nicholstech.hivemind.state": "true", "io.nicholstech.hivemind.stack": "s"],
            ],
        ]
        let compose = "name: website\nservices: {web: {image: '\(image)', volumes: ['v:/v']}}\nvolumes: {v: }"
        func source(_ deployment: SwarmDeployment) -> String? {
            let container = deployment.desired.services.first?.spec["TaskTemplate"]?["ContainerSpec"]
            return container?["Mounts"]?.array?.first?["Source"]?.string
        }
        let before = try await deployment("", compose, on: platform(Answers(["GET /configs": (200, [mark])])))
        #expect(source(before) == "website_v")
        let payload = try await before.plan(observedSince: .now).payload()
        let after = try await deployment("", compose, on: platform(Answers([:]), kept: [payload]))
        #expect(source(after) == "website_v", "a volume of another name is an empty one")
        let stranger = try await deployment("", compose, on: platform(Answers([:])))
        #expect(source(stranger) == "s_v")
    }
}
