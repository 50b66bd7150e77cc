/// One thing that a storm declares, changes and takes away: a unit with what belongs to it.
struct StormUnit {
    /// What a version of it is like.
    enum Sort: String {
        // Runs, with its version in its environment.
        case plain, slow, environmentFile, dropIn, healthy, program, pod
        // Is made or waits, and runs nothing.
        case volume, network, timer
        // Is right and down.
        case once, skipped, onDemand, programOnce
        // Cannot work.
        case invalid, garbage, missingFile, missingImage, fails, ill, programFails, programInvalid, taken
    }

    /// What its service has to be like.
    enum Law: Equatable {
        case up, down, bad
    }

    /// Such as `t-s1`.
    let stem: String
    let sorts: [Sort]
    var sort: Sort
    var version = 0
    /// The folder it lies in; nil when it is not declared.
    var folder: String?
    /// What was done to it, with the time.
    var history: [String] = []
    /// Whether every version so far could work.
    var wasAlwaysGood = true
    /// Whether it was there in part for a moment, so that it was rightly called invalid then.
    var wasTorn = false
    /// When it was written or moved last, and when somebody killed it last.
    var changed: ContinuousClock.Instant = .now
    var killed: ContinuousClock.Instant?
    /// Whether somebody stopped, killed or hid it, so that its repair is rightly told.
    var wasTouched = false

    init(_ stem: String, _ sorts: [Sort]) {
        (self.stem, self.sorts) = (stem, sorts)
        sort = sorts[0]
    }

    var law: Law {
        switch sort {
        case .plain, .slow, .environmentFile, .dropIn, .healthy, .program, .pod, .volume, .network, .timer: .up
        case .once, .skipped, .onDemand, .programOnce: .down
        case .invalid, .garbage, .missingFile, .missingImage, .fails, .ill, .programFails, .programInvalid, .taken: .bad
        }
    }

    /// The file of the unit that is judged.
    var unit: String {
        switch sort {
        case .program, .programOnce, .programFails, .programInvalid: "\(stem).service"
        case .pod: "\(stem).pod"
        case .volume: "\(stem).volume"
        case .network: "\(stem).network"
        case .timer: "\(stem).timer"
        default: "\(stem).container"
        }
    }

    var service: String {
        switch sort {
        case .pod: "\(stem)-pod.service"
        case .volume: "\(stem)-volume.service"
        case .network: "\(stem)-network.service"
        case .timer: "\(stem).timer"
        default: "\(stem).service"
        }
    }

    /// The service whose processes have the version in their environment.
    var process: (name: String, isContainer: Bool)? {
        switch sort {
        case .plain, .slow, .environmentFile, .dropIn, .healthy: (stem, true)
        case .pod: ("\(stem)-member", true)
        case .program: ("\(stem).service", false)
        default: nil
        }
    }

    /// Every unit it consists of.
    var units: [String] {
        switch sort {
        case .pod: [unit, "\(stem)-member.container"]
        case .timer: [unit, "\(stem).service"]
        default: [unit]
        }
    }

    /// What lies in its folder, by the path from there.
    ///
    /// `number`: Which of several ways of being so it takes.
    func files(_ number: Int) -> [(path: String, text: String)] {
        let mark = "Environment=STORM=\(version)"
        let policies = ["Restart=no", "Restart=on-failure", "Restart=always"]
        let service = policies[number % 3]
        switch sort {
        case .plain: return [(unit, sleeperUnit(mark, service: service))]
        case .slow: return [(unit, sleeperUnit(mark, service: "\(service)\nExecStartPre=/bin/sleep 3"))]
        case .environmentFile:
            return [
                ("env-\(stem)/storm.env", "STORM=\(version)\n"),
                (unit, sleeperUnit("EnvironmentFile=env-\(stem)/storm.env", service: service)),
            ]
        case .dropIn:
            return [
                ("\(unit).d/10-storm.conf", "[Container]\n\(mark)\n"), (unit, sleeperUnit(service: service)),
            ]
        case .healthy:
            let check = "\(mark)\nHealthCmd=true\nHealthInterval=5s"
            return [(unit, sleeperUnit(check, service: service))]
        case .program: return [(unit, Self.program("ExecStart=/bin/sleep infinity\n\(mark)\n\(service)"))]
        case .pod:
            let member = sleeperUnit(mark, service: service).replacing("Network=none", with: "Pod=\(unit)")
            return [(unit, "[Pod]\nNetwork=none\n"), ("\(stem)-member.container", member)]
        case .volume: return [(unit, "[Volume]\nLabel=storm=\(version)\n")]
        case .network: return [(unit, "[Network]\nInternal=true\nLabel=storm=\(version)\n")]
        case .timer:
            let timer = "[Timer]\nOnCalendar=hourly\nRandomizedDelaySec=\(version)\n[Install]\nWantedBy=timers.target\n"
            return [
                ("\(stem).service", "[Service]\nType=oneshot\nExecStart=/bin/true\n\(mark)\n"), (unit, timer),
            ]
        case .once: return [(unit, Self.task("sleep 1", mark))]
        case .skipped: return [(unit, sleeperUnit(mark, unit: "ConditionPathExists=/nowhere"))]
        case .onDemand: return [(unit, sleeperUnit(mark).replacing("WantedBy=default.target", with: ""))]
        case .programOnce: return [(unit, Self.program("Type=oneshot\nExecStart=/bin/true\n\(mark)"))]
        case .invalid:
            // The last one ends Podman's generator for every unit.
            let words = ["Imagee=x", "Volume=t-nobody.volume:/data", "Mount=type=volume,destination=/data"]
            return [(unit, sleeperUnit("\(mark)\n\(words[number % 3])"))]
        case .garbage: return [(unit, "what is this\n\(version)\n")]
        case .missingFile: return [(unit, sleeperUnit("\(mark)\nEnvironmentFile=env/nowhere.env"))]
        case .missingImage: return [(unit, sleeperUnit("\(mark)\nPull=never", image: "localhost/missing:1"))]
        case .fails:
            let unit = sleeperUnit(mark, service: policies[number % 2]).replacing(
                "while true",
                with: "exit 3; while true"
            )
            return [(self.unit, unit)]
        case .ill:
            return [(unit, sleeperUnit("\(mark)\nHealthCmd=false\nHealthInterval=1s\nHealthRetries=1"))]
        case .programFails: return [(unit, Self.program("Type=oneshot\nExecStart=/bin/false\n\(mark)"))]
        case .programInvalid: return [(unit, Self.program(mark))]
        case .taken: return [(unit, sleeperUnit(mark))]
        }
    }

    private static func task(_ command: String, _ more: String) -> String {
        sleeperUnit(more, service: "Type=oneshot").replacing("while true; do sleep 0.2; done", with: command)
    }

    private static func program(_ service: String) -> String {
        "[Unit]\nDescription=A test\n[Service]\n\(service)\n[Install]\nWantedBy=default.target\n"
    }

    /// What a storm may declare, besides what is never touched.
    static var all: [StormUnit] {
        let containers: [Sort] = [
            .plain, .slow, .environmentFile, .dropIn, .healthy, .once, .skipped, .onDemand, .invalid, .garbage,
            .missingFile, .missingImage, .fails, .ill,
        ]
        let steady: [Sort] = [.plain, .slow, .environmentFile, .dropIn, .healthy]
        let programs: [Sort] = [.program, .programOnce, .programFails, .programInvalid]
        var units = (0..<4).map { StormUnit("t-s\($0)", containers) }
        // These have no bad versions: nothing bad may ever be said of them.
        units += (4..<8).map { StormUnit("t-s\($0)", steady) }
        units += (8..<10).map { StormUnit("t-s\($0)", programs) }
        units += [
            StormUnit("t-s10", [.program]), StormUnit("t-s11", [.volume]), StormUnit("t-s12", [.network]),
            StormUnit("t-s13", [.pod]), StormUnit("t-s14", [.timer]), StormUnit("t-s15", [.volume]),
            StormUnit("t-foreign", [.taken]),
        ]
        return units
    }
}
