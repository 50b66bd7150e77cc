import Systemd

/// What is done to a machine's units, by people and by the agent.
enum NodeCall: CustomStringConvertible {
    case write(String, String)
    case remove(String)
    case link(String, to: String)
    case reload
    /// Queues a job and waits for its end.
    case job(Systemd.UnitMethod, String)
    /// Queues a job and goes on.
    case queue(Systemd.UnitMethod, String)
    case resetFailed(String)
    case kill(String)
    /// Lets a moment pass.
    case pause(Int)
    case generator

    var description: String {
        switch self {
        case .write(let name, let text): "write \(name):\n\(text)"
        case .remove(let name): "remove \(name)"
        case .link(let name, let target): "link \(name) to \(target)"
        case .reload: "reload"
        case .job(let method, let unit): "\(method.rawValue) \(unit) and wait"
        case .queue(let method, let unit): "\(method.rawValue) \(unit)"
        case .resetFailed(let unit): "reset-failed \(unit)"
        case .kill(let unit): "kill \(unit)"
        case .pause(let count): "pause \(count)"
        case .generator: "ask the generator"
        }
    }
}

/// Makes random calls that follow from a seed.
struct NodeCalls {
    private var state: UInt64
    static let containers = ["t-a", "t-b", "t-c"]
    static let services =
        containers.map { "\($0).service" } + [
            "t-p.service", "t-v-volume.service", "t-n-network.service", "t-none.service",
        ]

    init(seed: UInt64) { state = seed }

    /// SplitMix64.
    private mutating func below(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((mixed ^ (mixed >> 31)) % UInt64(bound))
    }

    private mutating func pick<Item>(_ items: [Item]) -> Item { items[below(items.count)] }

    mutating func make(_ count: Int) -> [NodeCall] {
        var calls: [NodeCall] = [
            .write("t-a.container", unit()), .write("t-v.volume", "[Volume]\n"),
            .write("t-n.network", "[Network]\n"), .reload,
        ]
        for _ in 0..<count { calls.append(next()) }
        return calls
    }

    private mutating func next() -> NodeCall {
        let service = pick(Self.services)
        switch below(20) {
        case 0, 1, 2, 3: return .write("\(pick(Self.containers)).container", unit())
        case 4: return .write("t-p.service", plain())
        case 5: return pick([.remove("\(pick(Self.containers)).container"), .remove("t-p.service")])
        case 6:
            return pick([.link("t-x.container", to: "/nowhere"), .remove("t-x.container"), .remove("t-x.container")])
        case 7: return pick([.link("t-p.service", to: "/dev/null"), .write("t-x.container", "[Container]\nFoo=1\n")])
        case 8, 9, 10: return .reload
        case 11, 12, 13: return .job(.start, service)
        case 14: return .job(.stop, service)
        case 15: return .job(.restart, service)
        case 16: return .queue(pick([.start, .stop, .restart]), service)
        case 17: return .resetFailed(service)
        case 18: return .kill(service)
        default: return pick([.generator, .pause(10)])
        }
    }

    private mutating func unit() -> String {
        var text = "[Unit]\nStartLimitBurst=\(pick([2, 3, 20]))\nStartLimitIntervalSec=600\n"
        switch below(8) {
        case 0: text += "Requires=t-b.service\nAfter=t-b.service\n"
        case 1: text += "Requires=t-none.service\n"
        case 2: text += "ConditionPathExists=/nowhere\n"
        default: break
        }
        let behaviour = pick([
            "good", "good", "good", "exit:0:700", "exit:3:700", "stubborn", "slow:2000", "exit:1:300",
        ])
        text += "[Container]\nPull=never\nNetwork=\(pick(["none", "none", "none", "none", "t-n.network"]))\n"
        text += "Image=localhost/\(pick(["web:1.0.0", "web:1.0.0", "web:1.0.0", "web:2.0.0", "missing:1"]))\n"
        text += simulatedBehaviour(behaviour)
        switch below(6) {
        case 0: text += "Notify=healthy\nHealthCmd=test -e /ok\nHealthInterval=1s\n"
        case 1: text += "Notify=healthy\nHealthCmd=true\nHealthInterval=1s\n"
        case 2: text += "HealthCmd=false\nHealthInterval=1s\nHealthRetries=2\n"
        case 3: text += "Volume=t-v.volume:/data\n"
        default: break
        }
        text += "[Service]\nTimeoutStopSec=2s\n"
        let isOneshot = below(5) == 0
        if isOneshot {
            text += "Type=oneshot\nTimeoutStartSec=5s\n" + pick(["", "RemainAfterExit=yes\n"])
        } else {
            text += "TimeoutStartSec=4s\n"
        }
        text += pick([
            "", "", "Restart=on-failure\nRestartSec=500ms\n", isOneshot ? "" : "Restart=always\nRestartSec=700ms\n",
        ])
        if below(2) == 0 { text += "[Install]\nWantedBy=default.target\n" }
        return text
    }

    /// A service that is no container.
    private mutating func plain() -> String {
        let type = pick(["simple", "oneshot", "oneshot\nRemainAfterExit=yes", "exec"])
        let behaviour =
            type.hasPrefix("oneshot")
            ? pick(["exit:0:300", "exit:4:300"]) : pick(["good", "exit:0:600", "exit:5:600"])
        return "[Service]\nType=\(type)\nTimeoutStopSec=2s\n" + simulatedProgram(behaviour)
            + pick(["", "Restart=on-failure\nRestartSec=600ms\n"])
    }
}

/// The lines of a `.container` file that give it a behaviour: on a machine, and in the model of one.
func simulatedBehaviour(_ behaviour: String) -> String {
    "Environment=SIM=\(behaviour)\nExec=sh -c '\(simulatedScript(behaviour))'\n"
}

func simulatedProgram(_ behaviour: String) -> String {
    "Environment=SIM=\(behaviour)\nExecStart=/bin/sh -c '\(simulatedScript(behaviour))'\n"
}

private func simulatedScript(_ behaviour: String) -> String {
    let parts = behaviour.split(separator: ":").map(String.init)
    func seconds(_ index: Int) -> Double { Double(parts[index]).map { $0 / 1000 } ?? 0 }
    return switch parts[0] {
    case "exit": "sleep \(seconds(2)); exit \(parts[1])"
    case "slow": "trap exit TERM; sleep \(seconds(1)); touch /ok; while true; do sleep 0.2; done"
    case "stubborn": "trap : TERM; while true; do sleep 0.2; done"
    default: "trap exit TERM; while true; do sleep 0.2; done"
    }
}
