import JSON
import Testing

@testable import Quadlet

/// Which ports of a machine a unit wants, and who has them.
@Suite struct PublishedPortsTests {
    @Test(
        arguments: [
            ("8080:80", 8080...8080, false), ("127.0.0.1:8080:80", 8080...8080, false), ("53:53/udp", 53...53, true),
            ("8000-8010:8000-8010/tcp", 8000...8010, false), ("[::1]:80:80", 80...80, false),
            ("0.0.0.0:80:80", 80...80, false),
        ] as [(String, ClosedRange<UInt16>, Bool)]
    )
    func portsAreReadAsPodmanDoes(text: String, ports: ClosedRange<UInt16>, isUDP: Bool) throws {
        let read = try #require(PublishedPorts(text))
        #expect(read.ports == ports && read.isUDP == isUDP)
        #expect((read.address == nil) == !(text.hasPrefix("127") || text.hasPrefix("[::1]")))
    }

    /// Podman chooses the port, or refuses it with better words.
    @Test(arguments: [
        "80", ":80", "127.0.0.1::80", "0:80", "x:80", "70000:80", "9-8:80", "${P}:80", "80:80/sctp", "", ":",
        "1.2.3:80:80",
    ])
    func whatIsNotKnownHereIsNobodys(text: String) { #expect(PublishedPorts(text) == nil) }

    private func socket(_ address: String, _ state: String = "0A", isUDP: Bool = false) -> ListeningSocket? {
        ListeningSocket("   0: \(address) 00000000:0000 \(state) 00000000:00000000 00:00000000", isUDP: isUDP)
    }

    @Test func whoListensIsReadFromTheKernel() throws {
        #expect(socket("0100007F:1F90") == ListeningSocket(address: [127, 0, 0, 1], port: 8080, isUDP: false))
        #expect(socket("00000000:1F90")?.address == nil && socket("00000000:1F90")?.port == 8080)
        #expect(socket("0000000000000000FFFF00000100007F:0050")?.address == [127, 0, 0, 1])
        #expect(socket("00000000000000000000000001000000:0050")?.address == Array(repeating: 0, count: 15) + [1])
        #expect(socket("0100007F:1F90", "01") == nil, "a connection")
        #expect(socket("0100007F:0035", "07", isUDP: true)?.isUDP == true)
        for line in ["", "x", "   0: 0100007F", "   0: 0100007F:zz 0 0A", "   0: 01007F:1F90 0 0A"] {
            #expect(ListeningSocket(line, isUDP: false) == nil, "\(line)")
        }
    }

    @Test(
        arguments: [
            ("8080:80", 8080), ("127.0.0.1:8080:80", 8080), ("127.0.0.2:8080:80", nil), ("8000-8100:8000-8100", 8080),
            ("8080:80/udp", nil), ("9000:80", 9000), ("127.0.0.1:9000:80", 9000), ("[::1]:8080:80", nil),
        ] as [(String, UInt16?)]
    ) func onePortIsListenedOnOnce(text: String, taken: UInt16?) throws {
        let sockets = try ["0100007F:1F90", "00000000:2328"].map { try #require(socket($0)) }
        #expect(try #require(PublishedPorts(text)).taken(by: sockets) == taken)
    }

    @Test func containersOfSystemdsAreKnown() throws {
        let text = """
            [{"Names":["a"],"Ports":[{"host_port":8080,"range":2,"protocol":"tcp"}],"Labels":{"PODMAN_SYSTEMD_UNIT":"a.service"}},
             {"Names":["b"],"Ports":[{"host_port":53,"protocol":"udp"}],"Labels":null,"PodName":""},
             {"Names":["c"],"Ports":null,"Labels":{},"PodName":"web"}]
            """
        let holders = PortHolder.all(try JSON(parsing: Array(text.utf8)))
        #expect(holders.map(\.service) == ["a.service", nil, "web-pod.service"])
        #expect(holders[0].has(8081, isUDP: false) && !holders[0].has(8082, isUDP: false))
        #expect(!holders[0].has(8080, isUDP: true) && holders[1].has(53, isUDP: true))
    }
}
