/// How a unit of a node behaves once it is started, as its file tells the simulated machine.
///
/// Every end is one that the unit itself asks for, or that it does not.
enum NodeNature: String, CaseIterable {
    /// Runs, and is up a moment later.
    case good
    /// Is up only after a while, when its health command passes (`Notify=healthy`).
    case slow
    /// Runs at once, and its health command passes after a while.
    case slowCheck
    /// A task that ends well and counts as active then.
    case task
    /// A task that ends well and counts as inactive then.
    case run
    /// Runs, and ends well by itself after a while.
    case ends
    /// Its condition is not met, so that systemd does not start it.
    case skipped
    /// Ends with an error a moment after each start; systemd does not start it anew.
    case crash
    /// The same, and systemd starts it anew.
    case crashLoop
    /// Its health command never passes, and it is not up before it does.
    case unhealthy
    /// It runs, and its health command never passes.
    case unhealthyCheck
    /// Its image is not there.
    case missing
    /// A task that ends with an error.
    case failingTask
    /// Podman's generator refuses it: a key that nobody knows, no image, a volume that no unit makes.
    case unknownKey, noImage, unknownVolume

    var isGood: Bool { staysUp || isOver || self == .skipped }
    /// Whether it is up when it is well.
    var staysUp: Bool { [.good, .slow, .slowCheck, .task].contains(self) }
    /// Whether it ran to its end when it is well.
    var isOver: Bool { [.run, .ends].contains(self) }
    /// Whether Podman's generator refuses it.
    var isRefused: Bool { [.unknownKey, .noImage, .unknownVolume].contains(self) }

    /// The same of a program that systemd starts itself: it has no image and no health command.
    var ofProgram: NodeNature {
        switch self {
        case .slow, .slowCheck: .good
        case .unhealthy, .missing: .crash
        case .unhealthyCheck: .crashLoop
        case .unknownKey, .unknownVolume: .noImage
        default: self
        }
    }

    /// What the image and the process are told.
    var behaviour: String {
        switch self {
        case .slow, .slowCheck: "slow:4000"
        case .task, .run: "exit:0:2000"
        case .ends: "exit:0:9000"
        case .crash, .crashLoop: "exit:1:2000"
        case .failingTask: "exit:2:2000"
        default: "good"
        }
    }

    /// Further lines of `[Container]`.
    var lines: String {
        let check = "HealthInterval=1s\nHealthRetries=3\n"
        return switch self {
        case .slow: "Notify=healthy\nHealthCmd=test -e /ok\n\(check)"
        case .slowCheck: "HealthCmd=test -e /ok\nHealthInterval=1s\nHealthRetries=10\n"
        case .unhealthy: "Notify=healthy\nHealthCmd=false\n\(check)"
        case .unhealthyCheck: "HealthCmd=false\n\(check)"
        case .unknownKey: "Imagee=wrong\n"
        case .unknownVolume: "Volume=nobody.volume:/data\n"
        default: ""
        }
    }

    var service: String {
        switch self {
        case .task, .failingTask: "Type=oneshot\nRemainAfterExit=yes\n"
        case .run: "Type=oneshot\n"
        case .crash, .ends: ""
        case .crashLoop: "Restart=always\nRestartSec=3s\n"
        default: "Restart=on-failure\n"
        }
    }
}
