internal import Files
internal import Glibc
internal import JSON

/// Ports of the machine that a unit publishes with one `PublishPort=` (podman-run(1), `--publish`).
struct PublishedPorts: Equatable {
    /// The address, in network order; nil for all.
    var address: [UInt8]?
    var ports: ClosedRange<UInt16>
    var isUDP: Bool

    /// `[[address:][host]:]container[/protocol]`, where hosts may be a range.
    ///
    /// Nil when Podman chooses the port, or when it is no TCP or UDP port that can be told here.
    init?(_ text: String) {
        let halves = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let ports = halves.first, halves.count == 1 || ["tcp", "udp"].contains(halves[1]) else { return nil }
        isUDP = halves.count == 2 && halves[1] == "udp"
        guard let inner = ports.lastIndex(of: ":") else { return nil }
        var host = ports[..<inner]
        if let outer = host.lastIndex(of: ":") {
            let written = host[..<outer].filter { $0 != "[" && $0 != "]" }
            guard let bytes = Self.bytes(of: String(written)) else { return nil }
            address = bytes.contains { $0 != 0 } ? bytes : nil
            host = host[host.index(after: outer)...]
        }
        let ends = host.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
        guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, first > 0, first <= last
        else {
            return nil
        }
        self.ports = first...last
    }

    private static func bytes(of text: String) -> [UInt8]? {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 { return withUnsafeBytes(of: four) { Array($0) } }
        var sixteen = in6_addr()
        if inet_pton(AF_INET6, text, &sixteen) == 1 { return withUnsafeBytes(of: sixteen) { Array($0) } }
        return nil
    }

    /// The first of them that somebody listens on, so that nobody else can.
    func taken(by sockets: [ListeningSocket]) -> UInt16? {
        let others = sockets.filter { socket in
            socket.isUDP == isUDP && (address == nil || socket.address == nil || socket.address == address)
        }
        return others.map(\.port).filter(ports.contains).min()
    }

    /// Ports from this one on are anybody's; the others are root's (ip(7), `ip_unprivileged_port_start`).
    static func firstOfAnybody() -> UInt16 {
        let text = (try? fileContent("/proc/sys/net/ipv4/ip_unprivileged_port_start")).map {
            String(decoding: $0, as: UTF8.self)
        }
        return text.flatMap { UInt16(trimmed($0.replacing("\n", with: ""))) } ?? 1024
    }
}

/// A port of the machine that some program listens on (proc_net(5)).
struct ListeningSocket: Equatable {
    /// In network order; nil for all.
    var address: [UInt8]?
    var port: UInt16
    var isUDP: Bool

    /// All of them.
    static func all() -> [ListeningSocket] {
        ["tcp", "tcp6", "udp", "udp6"].flatMap { table in
            let text = (try? fileContent("/proc/net/\(table)")).map { String(decoding: $0, as: UTF8.self) } ?? ""
            return text.split(separator: "\n").dropFirst().compactMap { line in
                ListeningSocket(line, isUDP: table.hasPrefix("udp"))
            }
        }
    }

    init(address: [UInt8]?, port: UInt16, isUDP: Bool) {
        (self.address, self.port, self.isUDP) = (address, port, isUDP)
    }

    /// One line of a table, nil for a socket that does not listen.
    init?(_ line: some StringProtocol, isUDP: Bool) {
        let fields = line.split(separator: " ")
        // TCP_LISTEN; a socket of UDP that is bound and not connected is as TCP_CLOSE.
        guard fields.count > 3, fields[3] == (isUDP ? "07" : "0A") else { return nil }
        let parts = fields[1].split(separator: ":")
        guard parts.count == 2, let port = UInt16(parts[1], radix: 16), parts[0].utf8.count % 8 == 0 else { return nil }
        (self.port, self.isUDP) = (port, isUDP)
        var bytes: [UInt8] = []
        var rest = parts[0]
        while !rest.isEmpty {
            // Words of the machine's own order.
            guard let word = UInt32(rest.prefix(8), radix: 16) else { return nil }
            bytes += withUnsafeBytes(of: word) { Array($0) }
            rest = rest.dropFirst(8)
        }
        // An address of IPv4 may be written as one of IPv6.
        let isMapped = bytes.count == 16 && bytes[0..<10].allSatisfy { $0 == 0 } && bytes[10...11] == [255, 255]
        address = bytes.contains { $0 != 0 } ? (isMapped ? Array(bytes[12...]) : bytes) : nil
    }
}

/// A container that runs, and the ports of the machine that it has.
struct PortHolder: Equatable {
    var name: String
    /// The service that systemd runs it by; nil for one that somebody started.
    var service: String?
    var ports: [(range: ClosedRange<Int>, isUDP: Bool)]

    static func == (left: PortHolder, right: PortHolder) -> Bool {
        left.name == right.name && left.service == right.service
    }

    func has(_ port: UInt16, isUDP: Bool) -> Bool {
        ports.contains { $0.isUDP == isUDP && $0.range.contains(Int(port)) }
    }

    /// What `podman ps --format json` says.
    static func all(_ document: JSON) -> [PortHolder] {
        (document.array ?? []).map { container in
            let ports = (container["Ports"]?.array ?? []).compactMap { port -> (ClosedRange<Int>, Bool)? in
                // Podman 3 writes it in another way.
                guard let first = (port["host_port"] ?? port["hostPort"])?.int, first > 0 else { return nil }
                let last = Int(first) + max(1, Int(port["range"]?.int ?? 1)) - 1
                return (Int(first)...last, port["protocol"]?.string == "udp")
            }
            let label = container["Labels"]?["PODMAN_SYSTEMD_UNIT"]?.string
            let pod = container["PodName"]?.string ?? ""
            // Who runs a pod is not written on its containers.
            return PortHolder(
                name: container["Names"]?.array?.first?.string ?? "",
                service: label ?? (pod.isEmpty ? nil : "\(pod)-pod.service"),
                ports: ports
            )
        }
    }
}
