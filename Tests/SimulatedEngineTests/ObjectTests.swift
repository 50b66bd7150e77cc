import HTTP
import JSON
import SimulatedEngine
import Testing

/// Names, versions, filters and what is in use.
@Suite struct ObjectTests {
    private func names(_ world: World, _ kind: String, _ label: String) -> [String] {
        let list = world.call("GET", "/\(kind)", filters: ["label": [.string(label)]]).body.array ?? []
        return list.compactMap { ($0["Spec"]?["Name"] ?? $0["Name"])?.string }
    }

    @Test func anEmptyValueInAFilterStandsForAnyButNotWithNetworks() {
        let world = World()
        world.call("POST", "/configs/create", body: ["Name": "c", "Labels": ["a": "1"], "Data": "eA=="])
        world.call("POST", "/networks/create", body: ["Name": "n", "Labels": ["a": "1"], "Driver": "overlay"])
        for label in ["a", "a=", "a=1"] { #expect(names(world, "configs", label) == ["c"], "\(label)") }
        for label in ["b", "b=", "a=2"] { #expect(names(world, "configs", label) == [], "\(label)") }
        #expect(names(world, "networks", "a") == ["n"] && names(world, "networks", "a=1") == ["n"])
        #expect(names(world, "networks", "a=") == [])
    }

    @Test func aConfigsLabelsAreComparedAndSet() {
        let world = World()
        world.call("POST", "/configs/create", body: ["Name": "c", "Labels": ["a": "1"], "Data": "eA=="])
        let version = world.call("GET", "/configs/c").body["Version"]?["Index"]?.int ?? 0
        let body: JSON = ["Name": "c", "Labels": ["a": "2"], "Data": "eA=="]
        #expect(world.call("POST", "/configs/c/update?version=\(version)", body: body).status == 200)
        let second = world.call("POST", "/configs/c/update?version=\(version)", body: body)
        #expect(second.status == 500)
        #expect(second.body["message"] == "rpc error: code = Unknown desc = update out of sequence")
    }

    @Test func aSecretIsNeverShownAndItsContentIsNeverChanged() {
        let world = World()
        world.call("POST", "/secrets/create", body: ["Name": "s", "Data": "eA=="])
        let secret = world.call("GET", "/secrets/s").body
        #expect(secret["Spec"]?["Data"] == nil)
        let version = secret["Version"]?["Index"]?.int ?? 0
        let other = world.call("POST", "/secrets/s/update?version=\(version)", body: ["Name": "s", "Data": "eQ=="])
        #expect(other.body["message"]?.string?.contains("only updates to Labels are allowed") == true)
        let same = world.call("POST", "/secrets/s/update?version=\(version)", body: ["Name": "s", "Data": "eA=="])
        #expect(same.status == 200)
        // The content is compared before the version.
        let early = world.call("POST", "/secrets/s/update?version=0", body: ["Name": "s", "Data": "eQ=="])
        #expect(early.body == other.body)
        let sequence = world.call("POST", "/secrets/s/update?version=0", body: ["Name": "s", "Data": "eA=="])
        #expect(sequence.body["message"]?.string?.contains("update out of sequence") == true)
    }

    @Test func aRemovedNetworkKeepsItsNameUntilItsContainersAreGone() {
        let world = World()
        world.call("POST", "/networks/create", body: ["Name": "n", "Driver": "overlay"])
        world.create("web") { $0["TaskTemplate"]?["Networks"] = [["Target": "n"]] }
        world.pass(seconds: 5)
        #expect(world.call("DELETE", "/networks/n").status == 400)
        world.call("DELETE", "/services/web")
        #expect(world.call("DELETE", "/networks/n").status == 204)
        let again: JSON = ["Name": "n", "Driver": "overlay"]
        #expect(world.call("POST", "/networks/create", body: again).status == 409)
        #expect(world.call("GET", "/networks/n").status == 200)
        let refused = world.call(
            "POST",
            "/services/create",
            body: service("two", "good") {
                $0["TaskTemplate"]?["Networks"] = [["Target": "n"]]
            }
        )
        #expect(refused.body["message"] == "network n not found")
        world.pass(seconds: 6)
        #expect(world.call("POST", "/networks/create", body: again).status == 201)
    }

    @Test func whatIsInUseIsNotRemoved() {
        let world = World()
        let id = world.call("POST", "/configs/create", body: ["Name": "c", "Data": "eA=="]).body["ID"] ?? ""
        world.create("web") {
            $0["TaskTemplate"]?["ContainerSpec"]?["Configs"] = [["ConfigID": id, "ConfigName": "c"]]
        }
        let refused = world.call("DELETE", "/configs/c")
        #expect(refused.status == 400)
        #expect(
            refused.body["message"]?.string?.hasSuffix("config 'c' is in use by the following service: web") == true
        )
        world.update("web", "good")
        #expect(world.call("DELETE", "/configs/c").status == 204, "a previous specification holds nothing")
    }

    @Test func anEngineThatStopsHasLeftItsSwarmAlready() {
        let world = World()
        world.call("POST", "/networks/create", body: ["Name": "n", "Driver": "overlay"])
        world.with { $0.isStopping = true }
        let answer = world.call("GET", "/services")
        #expect(answer.status == 503)
        #expect(answer.body["message"]?.string?.contains("This node is not a swarm manager") == true)
        #expect(world.call("GET", "/networks/n").status == 404)
    }

    @Test func eventsTellOfEveryChange() async throws {
        let world = World()
        var lines: [JSON] = []
        let stream = world.transport.stream(.init("GET", "/events"))
        world.create("web")
        world.update("web", "good:2")
        world.call("DELETE", "/services/web")
        for try await line in stream {
            lines.append(try JSON(parsing: line))
            if lines.last?["Action"] == "remove" { break }
        }
        #expect(lines.map { $0["Action"]?.string } == ["create", "update", "remove"])
        #expect(lines.allSatisfy { $0["Type"] == "service" && $0["scope"] == "swarm" })
        #expect(lines.allSatisfy { $0["Actor"]?["Attributes"]?["name"] == "web" })
    }
}
