internal import Delivery
internal import HTTP
internal import Server

/// Fetches the keys that sign tokens elsewhere, so that an identity provider may change them.
struct KeyFetcher: Sendable {
    let url: String
    let ring: KeyRing
    let context: ControllerContext

    /// Fetches until the task is cancelled; what was fetched last holds until something else comes.
    func run() async {
        guard let (endpoint, path) = Endpoint.parts(of: url) else { return }
        let client = Client(endpoint: endpoint, width: 1, bodyLimit: 1 << 20)
        var wasWell = true
        while !Task.isCancelled {
            var problem: String?
            do {
                let response = try await client.send(Request("GET", path, timeout: .seconds(10)))
                let keys = Access.keys(in: response.body)
                if response.status == 200, !keys.isEmpty {
                    ring.replace(keys)
                } else {
                    problem =
                        response.status == 200 ? "it holds no key of a known kind" : "it answered \(response.status)"
                }
            } catch { problem = "\(error)" }
            if let problem, wasWell {
                let words = "the keys at \(url) cannot be read: \(problem)"
                await context.note(.warning, .unavailable, "server", words)
            }
            if !wasWell, problem == nil {
                await context.note(.info, .recovered, "server", "the keys at \(url) can be read again")
            }
            wasWell = problem == nil
            try? await Task.sleep(for: wasWell ? .seconds(600) : .seconds(15))
        }
    }
}
