import Crypto
import Delivery
import JSON
import Testing

@testable import Swarm

/// What is kept of a stack, and what becomes of it when it is put back.
extension PlannerTests {
    @Test func aKeptRevisionKeepsItsOptionsPlacesAndExternals() async throws {
        let desired = try await stack(
            "services: {web: {image: x, networks: [out]}}\nnetworks: {out: {external: true}}"
        )
        let options = StackOptions(
            prunes: false,
            ignored: [("web", "replicas")],
            resolvesImages: false,
            sendsRegistryAuth: false
        )
        let payload = desired.payload(fileNames: [:], images: [:], options: options)
        let restored = try #require(DesiredStack(name: "s", payload: payload))
        #expect(restored.externals == desired.externals)
        #expect(restored.externals.first?.place != nil)
        #expect(restored.services.map(\.place) == desired.services.map(\.place))
        let kept = StackOptions(payload: payload)
        #expect(!kept.prunes && !kept.resolvesImages && !kept.sendsRegistryAuth)
        #expect(kept.ignored.map { "\($0.service).\($0.field)" } == ["web.replicas"])
    }

    @Test func aRevisionThatVersionOneKeptIsReadWithTheUsualOptions() throws {
        let text = """
            {"version": 1, "fingerprint": "f", "networks": [], "files": [],
             "services": [{"name": "s_web", "key": "web", "spec": {"Name": "s_web"}, "dependsOn": ["s_db"]}]}
            """
        let restored = try #require(DesiredStack(name: "s", payload: Array(text.utf8)))
        #expect(restored.fingerprint == "f")
        #expect(restored.services.map(\.dependsOn) == [["s_db"]])
        #expect(restored.externals.isEmpty)
        let options = StackOptions(payload: Array(text.utf8))
        #expect(options.prunes && options.resolvesImages && options.sendsRegistryAuth && options.ignored.isEmpty)
        #expect(DesiredStack(name: "s", payload: Array(text.replacing("1,", with: "3,").utf8)) == nil)
    }

    @Test func aKeptRevisionReadsBackAsItWas() async throws {
        let desired = try await stack(text, files: files)
        let plan = planned(desired)
        let payload = desired.payload(fileNames: plan.fileNames, images: ["s_web": "web:1.0.0@sha256:abc"])
        let restored = try #require(DesiredStack(name: "s", payload: payload))
        #expect(restored.fingerprint == desired.fingerprint)
        #expect(restored.services.count == 2)
        #expect(!String(decoding: payload, as: UTF8.self).contains(base64(Array("secret".utf8))))
        #expect(restored.files.map(\.deployedName) == ["s_page", "s_token"])
    }
}

@Suite struct ComparisonTests {
    private func same(_ left: JSON, _ right: JSON) -> Bool {
        SpecComparison.differences(desired: left, observed: right, networkNames: ["n1": "net"]).isEmpty
    }

    @Test func whatTheEngineFillsInIsNoDifference() {
        let desired: JSON = [
            "Name": "a", "Mode": ["Replicated": [:]],
            "TaskTemplate": [
                "ContainerSpec": ["Image": "x:1", "Env": ["A=1", "B=2"]],
                "Networks": [["Target": "net", "Aliases": ["a", "b"]]],
            ],
            "EndpointSpec": [:], "UpdateConfig": ["Parallelism": 1],
        ]
        let observed: JSON = [
            "Name": "a", "Mode": ["Replicated": ["Replicas": 1]],
            "TaskTemplate": [
                "ContainerSpec": [
                    "Image": "x:1", "Env": ["B=2", "A=1"], "Isolation": "default",
                    "Privileges": ["CredentialSpec": nil], "DNSConfig": [:],
                ],
                "Networks": [["Target": "n1", "Aliases": ["b", "a"]]], "ForceUpdate": 3, "Runtime": "container",
                "RestartPolicy": ["Condition": "any", "MaxAttempts": 0], "Placement": ["Platforms": [["OS": "linux"]]],
                "Resources": [:],
            ],
            "EndpointSpec": ["Mode": "vip"],
            "UpdateConfig": ["Parallelism": 1, "FailureAction": "pause", "Order": "stop-first", "MaxFailureRatio": 0],
        ]
        #expect(same(desired, observed))
    }

    @Test(arguments: ["x:1", "x:2"])
    func imagesAreCompared(image: String) {
        let desired: JSON = ["TaskTemplate": ["ContainerSpec": ["Image": "x:1"]]]
        let observed: JSON = ["TaskTemplate": ["ContainerSpec": ["Image": .string(image)]]]
        #expect(same(desired, observed) == (image == "x:1"))
    }

    @Test func referencesAreRead() {
        #expect(ImageReference("nginx").tagged == "nginx:latest")
        #expect(ImageReference("docker.io/library/nginx:1").tagged == "nginx:1")
        #expect(ImageReference("localhost:5000/web").tagged == "localhost:5000/web:latest")
        #expect(ImageReference("a@sha256:1").tagged == "a@sha256:1")
        #expect(ImageReference("localhost:5000/web").server == "localhost:5000")
        #expect(ImageReference("library/nginx").server == "docker.io")
        #expect(ImageReference("ghcr.io/a/b:1").server == "ghcr.io")
    }

    @Test func timesOfTheEngineAreRead() {
        #expect(parseTime("1970-01-02T00:00:01.5Z") == 86_401.5)
        #expect(parseTime("2026-11-20T22:52:54.501242247Z") > parseTime("2026-11-20T22:52:54.5Z"))
        #expect(parseTime("") == 0)
    }
}
