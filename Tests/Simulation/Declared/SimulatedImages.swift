/// How a nature is written into a Compose file: the image, and the variable `SIM` by which the simulated Engine chooses
/// what a container does.
enum SimulatedImages {
    static func image(_ nature: Nature) -> String { nature == .missing ? "missing:1" : "good:1" }

    static func behaviour(of service: DeclaredService) -> String {
        switch service.nature {
        case .good, .refused, .missing: "good"
        // For as long as what needs it fails more often than is borne with.
        case .slow: service.name == DeclaredService.database ? "slow:25" : "slow:6"
        // At once, or after it ran for a moment: Swarm watches some of them for longer than that.
        case .crash: "crash:\(service.stamp % 3)"
        case .unhealthy: "never"
        case .job: "exit:0:3"
        case .failingJob: "exit:1:2"
        case .needsDatabase: "needs:\(DeclaredService.database)"
        }
    }

    /// Further lines of the Compose file.
    static func extras(_ nature: Nature) -> String {
        // The port is taken by a service that was there before.
        nature == .refused ? "    ports: [\"\(takenPort):80\"]\n" : ""
    }

    static let takenPort = 9000
}
