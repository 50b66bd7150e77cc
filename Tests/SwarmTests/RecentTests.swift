import Delivery
import Diagnostics
import HTTP
import JSON
import Synchronization
import Testing

@testable import Swarm

/// What is kept so that it need not be made again, and that it is never kept too long.
@Suite struct RecentTests {
    /// An Engine whose lists say what the test wants them to.
    private final class Lists: Transport {
        let services = Mutex("[]")

        func send(_ request: Request) async throws -> Response {
            let body =
                switch request.path {
                case "/version": #"{"ApiVersion":"1.41","Version":"20.10.24"}"#
                case let path where path.contains("/services"): services.withLock { $0 }
                default: "[]"
                }
            return Response(status: 200, body: Array(body.utf8))
        }

        func stream(_ request: Request) -> AsyncThrowingStream<[UInt8], any Error> { AsyncThrowingStream { nil } }
    }

    private func platform(_ lists: Lists) -> SwarmPlatform {
        SwarmPlatform(
            engine: EngineClient(transport: lists, name: "default"),
            settings: SwarmSettings(name: "default", registries: [], kept: { _ in [] })
        )
    }

    @Test func theOldestGoesForTheNewest() {
        var recent = Recent<String, Int>(most: 2)
        recent.keep(1, for: "a")
        recent.keep(2, for: "b")
        recent.keep(3, for: "a")
        #expect(recent["a"] == 3)
        recent.keep(4, for: "c")
        #expect(recent["a"] == nil && recent["b"] == 2 && recent["c"] == 4)
    }

    @Test func anAnswerThatChangedIsReadAnew() async throws {
        let lists = Lists()
        let engine = EngineClient(transport: lists, name: "default")
        let query = [("status", "true")]
        for text in [#"[{"ID":"a"}]"#, #"[{"ID":"a"}]"#, #"[{"ID":"b"}]"#, "[]", #"[{"ID":"a"}]"#] {
            lists.services.withLock { $0 = text }
            #expect(try await engine.call("GET", "/services", query: query) == JSON(parsing: text))
        }
        // Another question about the same objects has an answer of its own.
        #expect(try await engine.call("GET", "/tasks", query: query) == [])
    }

    @Test func aStackIsReadAgainWhenOneOfItsFilesChanged() async throws {
        let platform = platform(Lists())
        let reader = fleetReader(of: platform)
        let files = Files([
            "stacks.yml": "stacks: [{name: a, compose_file: a.yml}]",
            "a.yml": "services: {web: {image: x, configs: [c]}}\nconfigs: {c: {file: c.txt}}",
            "c.txt": "one",
        ])
        let app = try #require(try await reader.fleet(at: files).fleet.apps.first)
        let first = try await app.prepare(files).fingerprint
        let reads = files.reads.withLock { $0 }
        #expect(try await app.prepare(files).fingerprint == first)
        #expect(files.reads.withLock { $0 } == reads)

        files.files.withLock { $0["c.txt"] = "two" }
        #expect(try await app.prepare(files).fingerprint != first)
        #expect(files.reads.withLock { $0 } > reads)

        files.files.withLock { $0["env/a.env.sops"] = "x" }
        await #expect(throws: Invalid.self) { try await app.prepare(files) }
    }

    @Test func aServiceIsComparedAnewWhenOneSideChanged() {
        let comparisons = RecentComparisons()
        func paths(_ desired: JSON, _ observed: JSON, _ names: [String: String] = [:]) -> [String] {
            comparisons.differences(of: "s_a", desired: desired, observed: observed, networkNames: names).map(\.path)
        }
        func spec(_ image: String, _ network: String) -> JSON {
            [
                "Name": "s_a",
                "TaskTemplate": [
                    "ContainerSpec": ["Image": .string(image)], "Networks": [["Target": .string(network)]],
                ],
            ]
        }
        #expect(paths(spec("x", "n"), spec("x", "n")).isEmpty)
        #expect(paths(spec("y", "n"), spec("x", "n")) == ["image"])
        #expect(paths(spec("y", "n"), spec("x", "n")) == ["image"])
        #expect(paths(spec("y", "n"), spec("y", "n")).isEmpty)
        #expect(!paths(spec("y", "n"), spec("y", "id")).isEmpty)
        #expect(paths(spec("y", "n"), spec("y", "id"), ["id": "n"]).isEmpty)
    }
}
