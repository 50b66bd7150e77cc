internal import HTTP

/// A sign of life to a service that raises the alarm when there is none: a dead man's switch that needs no Prometheus.
///
/// It is given only while the program's own work turns and its journal can be written.
package struct Heartbeat: Sendable {
    package var url: String
    package var interval: Duration

    package init(url: String, interval: Duration) {
        self.url = url
        self.interval = interval
    }

    /// Gives the sign until the task is cancelled.
    ///
    /// `isAlive`: Whether the program does its work; whoever is stuck does not come back from it.
    ///
    /// `changed`: Is told why the sign cannot be given, and nil when it can again.
    package func run(
        isAlive: @escaping @Sendable () async -> Bool,
        changed: @escaping @Sendable (String?) async -> Void
    ) async {
        guard let (endpoint, path) = Endpoint.parts(of: url) else { return }
        let client = Client(endpoint: endpoint, width: 1, bodyLimit: 1024 * 1024)
        var wasWell = true
        while !Task.isCancelled {
            if await isAlive() {
                var problem: String?
                do {
                    let request = Request("GET", path, headers: ["User-Agent": "hecate"], timeout: .seconds(10))
                    let status = try await client.send(request).status
                    if !(200..<300).contains(status) { problem = "it answered \(status)" }
                } catch { problem = "\(error)" }
                if wasWell != (problem == nil) { await changed(problem) }
                wasWell = problem == nil
            }
            try? await Task.sleep(for: interval)
        }
    }
}
