internal import Documents
internal import Delivery
internal import HTTPServer
internal import JSON
internal import Journal

extension Site {
    /// Health and metrics.
    func probeRoutes() -> [Route] {
        [
            Route(
                "GET",
                "/healthz",
                role: nil,
                "whether the program is alive",
                .made { _ in
                    Response(200, type: "text/plain; charset=utf-8", "ok\n")
                }
            ),
            Route(
                "GET",
                "/health",
                role: nil,
                "whether the program is alive, in the form older clients know",
                .made { [self] _ in
                    let document: JSON = ["status": "ok", "version": .string(settings.version)]
                    return Response(200, type: "application/json", document.encoded() + [0x0A])
                }
            ),
            Route(
                "GET",
                "/readyz",
                role: nil,
                "whether Git, every target and the store answer, with reasons",
                .made { [self] call in
                    let visitor = try? settings.access.visitor(of: call.request, sessions: sessions, now: now.seconds)
                    return try await readiness(withReasons: visitor.map { $0.projects == nil } ?? false)
                }
            ),
            Route(
                "GET",
                "/metrics",
                role: .viewer,
                "figures for Prometheus",
                .made { [self] call in
                    try requireAll(call)
                    let isOpen = (call.request.headers["accept"] ?? "").contains("application/openmetrics-text")
                    let type =
                        isOpen
                        ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                        : "text/plain; version=0.0.4; charset=utf-8"
                    return Response(200, type: type, metrics.text(try await gauges(), isOpen: isOpen))
                }
            ),
        ]
    }

    /// Names and reasons are for whoever may look; a probe needs neither.
    private func readiness(withReasons: Bool) async throws -> Response {
        var checks: [JSON] = []
        var isReady = true
        func check(_ kind: String, _ name: String, _ error: String?, _ more: JSON.Members = [:]) {
            isReady = isReady && error == nil
            var members: JSON.Members = [
                "kind": .string(kind), "name": .string(name), "ready": .bool(error == nil),
            ]
            if withReasons {
                members["reason"] = error.map { .string($0) }
                members = more.merging(members)
            } else {
                members["name"] = nil
            }
            checks.append(.object(members))
        }
        do {
            let never = "not looked at yet"
            for source in try await store.sources() {
                let error = source.error ?? (source.lastSuccess == nil ? never : nil)
                check("source", source.name, error, answered(source.lastSuccess))
            }
            for target in try await store.targets() {
                let error = target.error ?? (target.lastSuccess == nil ? never : nil)
                check("target", target.name, error, answered(target.lastSuccess))
            }
            // Another controller that acts is no fault of this one.
            for lease in await backend.leases() {
                check("lease", "\(lease.source) on \(lease.target)", nil, ["standing": .string(lease.words)])
            }
            let health = await store.health
            check("store", "journal", health.error?.message, ["waitingEvents": .int(Int64(health.queuedEvents))])
        } catch {
            check("store", "journal", "the journal cannot be read")
        }
        let document: JSON = ["ready": .bool(isReady), "checks": .array(checks)]
        return Response(isReady ? 200 : 503, type: "application/json", document.encoded() + [0x0A])
    }

    /// When a source or target really answered the last time.
    private func answered(_ time: Timestamp?) -> JSON.Members {
        ["lastSuccess": time.map { .string($0.text) } ?? .null]
    }

    private func gauges() async throws -> [Metrics.Gauge] {
        let records = try await store.records()
        let holds = Set(try await store.holds().map(\.app))
        var states: [String: [String: Int]] = [:]
        for record in records {
            let state = holds.contains(record.id) ? "suspended" : record.isReady ? "ready" : "not_ready"
            states[record.id.target, default: ["ready": 0, "not_ready": 0, "suspended": 0]][state, default: 0] += 1
        }
        let sources = try await store.sources()
        let targets = try await store.targets()
        func times(_ label: String, _ all: [(String, Timestamp?)]) -> [(labels: [(String, String)], value: Double)] {
            all.map { ([(label, $0.0)], $0.1?.seconds ?? 0) }
        }
        return [
            Metrics.Gauge("hecate_build_info", "The version that runs.", [([("version", settings.version)], 1)]),
            Metrics.Gauge(
                "hecate_apps",
                "Apps by state.",
                states.sorted { $0.key < $1.key }.flatMap { target, counts in
                    counts.sorted { $0.key < $1.key }.map {
                        ([("target", target), ("state", $0.key)], Double($0.value))
                    }
                }
            ),
            Metrics.Gauge("hecate_queue_depth", "Passes due or under way.", [([], Double(await backend.queueDepth()))]),
            Metrics.Gauge("hecate_event_streams", "Open event streams.", [([], Double(await feed.count))]),
            Metrics.Gauge(
                "hecate_source_last_success_timestamp_seconds",
                "When a source last answered; 0 for never.",
                times("source", sources.map { ($0.name, $0.lastSuccess) })
            ),
            Metrics.Gauge(
                "hecate_target_last_success_timestamp_seconds",
                "When a target last answered; 0 for never.",
                times("target", targets.map { ($0.name, $0.lastSuccess) })
            ),
            Metrics.Gauge(
                "hecate_lease_held",
                "Whether this controller acts for a source on a target, or another one.",
                await backend.leases().map {
                    ([("source", $0.source), ("target", $0.target)], $0.isOwn ? 1 : 0)
                }
            ),
            Metrics.Gauge(
                "hecate_store_writable",
                "Whether the journal can be written.",
                [([], await store.health.isWritable ? 1 : 0)]
            ),
        ]
    }
}
