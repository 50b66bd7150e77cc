internal import Delivery
internal import JSON
internal import Kubernetes
internal import Subprocess

/// A k3s cluster, by way of kubectl: the one client whose version and credentials fit it.
struct Cluster: Sendable {
    /// The program and the words before its command, such as `k3s kubectl`.
    let program: [String]

    /// - Parameter named: What the command line says, or nil for kubectl and else k3s's own.
    init(_ named: String?) {
        let words = named?.split(separator: " ").map(String.init) ?? []
        let paths = (environmentVariable("PATH") ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":")
        let hasOwn = paths.contains { readFile("\($0)/kubectl") != nil }
        program = !words.isEmpty ? words : hasOwn ? ["kubectl"] : ["k3s", "kubectl"]
    }

    @discardableResult
    private func ask(_ arguments: [String], timeout: Duration = .seconds(60)) async throws -> [UInt8] {
        let command = Command(
            program[0],
            program.dropFirst() + arguments,
            environment: environmentVariables(),
            timeout: timeout,
            outputLimit: 256 * 1024 * 1024
        )
        let answer: Completion
        do { answer = try await Subprocess.run(command) } catch {
            throw Failure(
                .unavailable,
                "\(program.joined(separator: " ")) cannot be run: \(error); name it with --kubectl, or give a file with --inventory"
            )
        }
        guard answer.code == 0 else {
            throw Failure(.unavailable, "\(program.joined(separator: " ")) \(arguments[0]): \(answer.errorText)")
        }
        return answer.output
    }

    /// Everything in the cluster that says what runs, as kubectl writes it.
    func dump() async throws -> [UInt8] {
        try await ask(["get", "--all-namespaces", "-o", "json", Inventory.kinds.joined(separator: ",")])
    }

    func inventory() async throws -> Inventory {
        var inventory = Inventory()
        try inventory.add(try await dump(), file: program.joined(separator: " "))
        return inventory
    }

    /// How many pods of a workload are still there.
    func pods(of workload: Workload) async throws -> [KubernetesObject] {
        var inventory = Inventory()
        let bytes = try await ask(["get", "-n", workload.object.namespace, "-o", "json", "pods"])
        try inventory.add(bytes, file: "kubectl get pods")
        return inventory.objects.filter { workload.owns($0) }
    }

    /// Has the cluster run so many pods of a workload, or for a DaemonSet none or all.
    func scale(_ workload: Workload, to replicas: Int) async throws {
        let object = workload.object
        let name = "\(object.kind.lowercased())/\(object.name)"
        if object.kind == "DaemonSet" {
            // A DaemonSet has no number; a label that no machine has keeps it off all of them.
            let label = JSON.object(["hecate.io/moved": replicas == 0 ? "true" : .null])
            let patch: JSON = ["spec": ["template": ["spec": ["nodeSelector": label]]]]
            try await ask(["patch", "-n", object.namespace, name, "--type", "merge", "-p", patch.text()])
        } else {
            try await ask(["scale", "-n", object.namespace, name, "--replicas", "\(replicas)"])
        }
    }

    /// Waits until a workload has no pods.
    func waitUntilGone(_ workload: Workload, within limit: Duration) async throws {
        let deadline = ContinuousClock.now + limit
        while try await !pods(of: workload).isEmpty {
            guard ContinuousClock.now < deadline else {
                throw Failure(.timedOut, "the pods of \(workload.object.title) are still there after \(limit)")
            }
            try await Task.sleep(for: .seconds(1))
        }
    }

    /// Waits until a workload has a pod that is ready.
    func waitUntilReady(_ workload: Workload, within limit: Duration) async throws {
        let deadline = ContinuousClock.now + limit
        while true {
            let isReady = try await pods(of: workload).contains { pod in
                (pod.value("status", "conditions")?.array ?? []).contains {
                    $0["type"]?.string == "Ready" && $0["status"]?.string == "True"
                }
            }
            if isReady { return }
            guard ContinuousClock.now < deadline else {
                throw Failure(.timedOut, "\(workload.object.title) has no ready pod in the cluster after \(limit)")
            }
            try await Task.sleep(for: .seconds(1))
        }
    }
}
