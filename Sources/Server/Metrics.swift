package import Delivery
internal import Glibc
internal import Synchronization
internal import Text

/// What is counted and measured, and how Prometheus reads it.
///
/// Source: the OpenMetrics 1.0 text format, and Prometheus' own 0.0.4 for those that do not ask for it.
package final class Metrics: Sendable {
    /// The name of a metric with the values of its labels, in the order of `Family.labels`.
    private struct Series: Hashable, Sendable {
        var family: Int
        var values: [String]
    }

    private struct Histogram: Sendable {
        var buckets: [UInt64]
        var sum = 0.0
        var count: UInt64 = 0
    }

    /// What a metric is.
    struct Family: Sendable {
        enum Kind: String, Sendable { case counter, gauge, histogram }

        var name: String
        var kind: Kind
        var labels: [String]
        var help: String
        var bounds: [Double] = []
    }

    private static let durations = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 300]

    static let families: [Family] = [
        Family(
            name: "hecate_reconcile_duration_seconds",
            kind: .histogram,
            labels: ["target", "app"],
            help: "How long a pass over an app took.",
            bounds: [0.01, 0.1, 1, 10, 60, 300]
        ),
        Family(
            name: "hecate_reconciles",
            kind: .counter,
            labels: ["target", "result"],
            help: "Passes, by whether they ended without a failure."
        ),
        Family(
            name: "hecate_deployments",
            kind: .counter,
            labels: ["target", "result"],
            help: "Deployments: deployed, rolled_back or failed."
        ),
        Family(name: "hecate_drift_found", kind: .counter, labels: ["target"], help: "Drift that was found."),
        Family(name: "hecate_drift_repaired", kind: .counter, labels: ["target"], help: "Drift that was repaired."),
        Family(
            name: "hecate_source_fetches",
            kind: .counter,
            labels: ["source", "result"],
            help: "Looks at a source, by whether it answered."
        ),
        Family(
            name: "hecate_http_requests",
            kind: .counter,
            labels: ["route", "method", "status"],
            help: "Requests to the server."
        ),
        Family(
            name: "hecate_http_request_duration_seconds",
            kind: .histogram,
            labels: ["route"],
            help: "How long requests to the server took.",
            bounds: durations
        ),
        Family(
            name: "hecate_notifications",
            kind: .counter,
            labels: ["channel", "result"],
            help: "Notifications: notified, retried or given_up."
        ),
        Family(name: "hecate_webhooks", kind: .counter, labels: ["provider", "result"], help: "Webhooks received."),
    ]

    private static let numbers = Dictionary(uniqueKeysWithValues: families.enumerated().map { ($1.name, $0) })

    private let counters = Mutex<[Series: UInt64]>([:])
    private let histograms = Mutex<[Series: Histogram]>([:])
    private let started: Double

    package init(started: Timestamp) { self.started = started.seconds }

    // MARK: Counting

    /// Adds one to a counter.
    package func count(_ name: String, _ values: String...) {
        guard let family = Self.numbers[name] else { return }
        counters.withLock { $0[Series(family: family, values: values), default: 0] += 1 }
    }

    /// Notes how long something took.
    package func observe(_ name: String, _ duration: Duration, _ values: String...) {
        guard let number = Self.numbers[name] else { return }
        let bounds = Self.families[number].bounds
        let seconds = duration.inSeconds
        histograms.withLock { histograms in
            let series = Series(family: number, values: values)
            var histogram = histograms[series] ?? Histogram(buckets: [UInt64](repeating: 0, count: bounds.count))
            if let index = bounds.firstIndex(where: { seconds <= $0 }) { histogram.buckets[index] += 1 }
            histogram.sum += seconds
            histogram.count += 1
            histograms[series] = histogram
        }
    }

    /// Counts what an event tells.
    package func note(_ event: Event) {
        let target = String(event.subject.prefix { $0 != "/" })
        switch event.reason {
        case .deployed: count("hecate_deployments", target, "deployed")
        case .rolledBack: count("hecate_deployments", target, "rolled_back")
        case .healthCheckFailed, .timedOut: count("hecate_deployments", target, "failed")
        case .driftDetected: count("hecate_drift_found", target)
        case .driftRepaired: count("hecate_drift_repaired", target)
        default: break
        }
    }

    /// Counts a pass.
    package func note(_ id: AppID, _ duration: Duration, _ isGood: Bool) {
        observe("hecate_reconcile_duration_seconds", duration, id.target, id.name)
        count("hecate_reconciles", id.target, isGood ? "success" : "failure")
    }

    // MARK: Reading

    /// A value that is asked for when it is read.
    package struct Gauge: Sendable {
        var name: String
        var help: String
        var samples: [(labels: [(String, String)], value: Double)]

        package init(_ name: String, _ help: String, _ samples: [(labels: [(String, String)], value: Double)]) {
            self.name = name
            self.help = help
            self.samples = samples
        }
    }

    /// Everything as text.
    ///
    /// `isOpen`: Whether in OpenMetrics, else in Prometheus' older format.
    func text(_ gauges: [Gauge], isOpen: Bool) -> String {
        var text = ""
        let counters = counters.withLock { $0 }
        let histograms = histograms.withLock { $0 }
        for (number, family) in Self.families.enumerated() {
            let suffix = family.kind == .counter ? "_total" : ""
            let title = family.kind == .counter && !isOpen ? "\(family.name)_total" : family.name
            text += "# HELP \(title) \(family.help)\n# TYPE \(title) \(family.kind.rawValue)\n"
            if family.kind == .histogram {
                for (series, histogram) in sorted(histograms, number) { write(family, series, histogram, to: &text) }
            } else {
                for (series, value) in sorted(counters, number) {
                    let labels = Self.labels(Array(zip(family.labels, series.values)))
                    text += "\(family.name)\(suffix)\(labels) \(value)\n"
                }
            }
        }
        for gauge in gauges + process() {
            let kind = gauge.name.hasSuffix("_total") ? "counter" : "gauge"
            let title = kind == "counter" && isOpen ? String(gauge.name.dropLast("_total".count)) : gauge.name
            text += "# HELP \(title) \(gauge.help)\n# TYPE \(title) \(kind)\n"
            for sample in gauge.samples {
                text += "\(gauge.name)\(Self.labels(sample.labels)) \(Self.number(sample.value))\n"
            }
        }
        return text + (isOpen ? "# EOF\n" : "")
    }

    private func sorted<Value>(_ all: [Series: Value], _ family: Int) -> [(Series, Value)] {
        all.filter { $0.key.family == family }.sorted { $0.key.values.lexicographicallyPrecedes($1.key.values) }
            .map { ($0.key, $0.value) }
    }

    private func write(_ family: Family, _ series: Series, _ histogram: Histogram, to text: inout String) {
        let labels = Array(zip(family.labels, series.values))
        var running: UInt64 = 0
        for (bound, count) in zip(family.bounds, histogram.buckets) {
            running += count
            text += "\(family.name)_bucket\(Self.labels(labels + [("le", Self.number(bound))])) \(running)\n"
        }
        text += "\(family.name)_bucket\(Self.labels(labels + [("le", "+Inf")])) \(histogram.count)\n"
        text += "\(family.name)_sum\(Self.labels(labels)) \(Self.number(histogram.sum))\n"
        text += "\(family.name)_count\(Self.labels(labels)) \(histogram.count)\n"
    }

    private static func labels(_ pairs: [(String, String)]) -> String {
        guard !pairs.isEmpty else { return "" }
        let written = pairs.map { name, value in
            let escaped = replacingBytes(in: value) { byte in
                switch byte {
                case UInt8(ascii: "\\"): "\\\\"
                case UInt8(ascii: "\""): "\\\""
                case UInt8(ascii: "\n"): "\\n"
                default: nil
                }
            }
            return "\(name)=\"\(escaped)\""
        }
        return "{\(written.joined(separator: ","))}"
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
    }

    /// The usual figures of a process.
    ///
    /// Source: Prometheus, "Writing client libraries", process metrics.
    private func process() -> [Gauge] {
        var usage = rusage()
        getrusage(RUSAGE_SELF.rawValue, &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        let pages = firstLine("/proc/self/statm").split(separator: " ").dropFirst().first.flatMap { Double($0) } ?? 0
        var descriptors = 0.0
        if let folder = opendir("/proc/self/fd") {
            while readdir(folder) != nil { descriptors += 1 }
            closedir(folder)
        }
        return [
            Gauge(
                "process_cpu_seconds_total",
                "User and system time.",
                [([], seconds(usage.ru_utime) + seconds(usage.ru_stime))]
            ),
            Gauge(
                "process_resident_memory_bytes",
                "Memory that is in use.",
                [([], pages * Double(sysconf(Int32(_SC_PAGESIZE))))]
            ),
            Gauge("process_open_fds", "Open file descriptors.", [([], max(0, descriptors - 3))]),
            Gauge("process_start_time_seconds", "When the program started.", [([], started)]),
        ]
    }

    private func firstLine(_ path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var buffer = [CChar](repeating: 0, count: 256)
        guard fgets(&buffer, Int32(buffer.count), file) != nil else { return "" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
