import HTTP
import JSON
import SimulatedEngine

/// People with a shell on a manager: what they do with `docker`.
struct Person {
    let target: Target

    /// The services of a stack, or all of them.
    func services(of stack: String? = nil) -> [JSON] {
        target.advance()
        return target.engine.services(of: stack)
    }

    @discardableResult
    func post(_ path: String, _ body: JSON) -> Response {
        let headers = ["Content-Type": "application/json"]
        return target.perform(
            Request("POST", "/v1.44\(path)", headers: headers, body: body.encoded()),
            by: .person
        )
    }

    /// `docker service update` with a changed specification.
    func update(_ service: JSON, _ change: (inout JSON) -> Void) {
        guard let id = service["ID"]?.string, let version = service["Version"]?["Index"]?.int,
            var spec = service["Spec"]
        else { return }
        change(&spec)
        target.touched.insert(service.stack)
        post("/services/\(id)/update?version=\(version)", spec)
    }

    /// `docker config rm` of what says whose a stack is.
    func removeClaim(of stack: String) {
        target.perform(Request("DELETE", "/v1.44/configs/hecate.\(stack)"), by: .person)
    }

    /// `docker config create` of the next of a stack's configs, and `docker config rm` of the one before.
    func replaceConfig(of stack: String, by number: Int) {
        let labels: JSON = ["com.docker.stack.namespace": .string(stack)]
        post("/configs/create", ["Name": .string("\(stack)_turn\(number)"), "Data": "e30=", "Labels": labels])
        target.perform(Request("DELETE", "/v1.44/configs/\(stack)_turn\(number - 1)"), by: .person)
    }

    /// `docker service scale`.
    func scale(_ service: JSON, to replicas: Int) {
        guard service["Spec"]?["Mode"]?["Replicated"] != nil else { return }
        update(service) { $0["Mode"] = ["Replicated": ["Replicas": .int(Int64(replicas))]] }
    }

    /// `docker service update --env-add STAMP=...`.
    func changeEnvironment(_ service: JSON, stamp: String) {
        update(service) { spec in
            guard var task = spec["TaskTemplate"], var container = task["ContainerSpec"] else { return }
            let others = container["Env"]?.array?.filter { $0.string?.hasPrefix("STAMP=") == false } ?? []
            container["Env"] = .array(others + [.string("STAMP=\(stamp)")])
            task["ContainerSpec"] = container
            spec["TaskTemplate"] = task
        }
    }

    /// `docker service rm`.
    func remove(_ service: JSON) {
        guard let id = service["ID"]?.string else { return }
        target.touched.insert(service.stack)
        _ = target.perform(Request("DELETE", "/v1.44/services/\(id)"), by: .person)
    }

    /// `docker stack deploy` of a stack with one service for each of the names.
    func deploy(stack: String, services: [String], stamp: String, port: Int? = nil) {
        let labels: JSON = ["com.docker.stack.namespace": .string(stack)]
        target.touched.insert(stack)
        post(
            "/networks/create",
            ["Name": .string("\(stack)_default"), "Driver": "overlay", "Labels": labels, "CheckDuplicate": true]
        )
        for name in services {
            var spec: JSON = [
                "Name": .string("\(stack)_\(name)"), "Labels": labels,
                "TaskTemplate": [
                    "ContainerSpec": [
                        "Image": "good:1", "Env": [.string("STAMP=\(stamp)")], "Labels": labels,
                    ],
                    "Networks": [["Target": .string("\(stack)_default"), "Aliases": [.string(name)]]],
                ],
                "Mode": ["Replicated": ["Replicas": 1]],
            ]
            if let port {
                spec["EndpointSpec"] = [
                    "Ports": [
                        [
                            "Protocol": "tcp", "TargetPort": 80, "PublishedPort": .int(Int64(port)),
                            "PublishMode": "ingress",
                        ]
                    ]
                ]
            }
            post("/services/create", spec)
        }
    }

    /// `docker secret rm` of a stack's secret whose name contains this.
    ///
    /// - Returns: Whether one went; one that is in use stays.
    func removeSecret(of stack: String, containing part: String) -> Bool {
        let secrets = (try? JSON(parsing: target.engine.handle(Request("GET", "/v1.44/secrets")).body))?.array ?? []
        for secret in secrets {
            let name = secret["Spec"]?["Name"]?.string ?? ""
            guard name.hasPrefix("\(stack)_"), name.contains(part) else { continue }
            return target.perform(Request("DELETE", "/v1.44/secrets/\(name)"), by: .person).status == 204
        }
        return false
    }

    /// `docker service create --network`.
    func borrow(network: String, as name: String) -> Response {
        let labels: JSON = ["com.docker.stack.namespace": "outsider"]
        return post(
            "/services/create",
            [
                "Name": .string(name), "Labels": labels,
                "TaskTemplate": [
                    "ContainerSpec": ["Image": "good:1", "Labels": labels],
                    "Networks": [["Target": .string(network)]],
                ],
                "Mode": ["Replicated": ["Replicas": 0]],
            ]
        )
    }

    /// The claim of a stack by another controller's source.
    func claim(stack: String, owner: String) {
        post(
            "/configs/create",
            [
                "Name": .string("hecate.\(stack)"), "Data": "e30=",
                "Labels": ["io.hecate.app": .string(stack), "io.hecate.owner": .string(owner)],
            ]
        )
    }
}
