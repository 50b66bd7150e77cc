/// What a commit changes.
enum Mutation: String, CaseIterable {
    case changeService, crash, unhealthy, refused, missingImage, slow, mend, addJob, needDatabase, addService,
        dropService, changeConfig, changeSecret, changeNetwork, scale, comment, nothing, disable, enable, retire,
        rename, replace, addApp, dropApp, depend, emptyFile, brokenFile, noFile, unknownKey, nameless, emptyItem,
        brokenStacksFile, emptyFleet, moveToOtherSource, copyToOtherSource, failJob, dropMany, dropMostApps

    private static let weights: [(weight: Int, item: Mutation)] = [
        (14, .changeService), (6, .crash), (4, .unhealthy), (3, .refused), (3, .missingImage), (3, .slow), (10, .mend),
        (3, .addJob), (2, .needDatabase), (4, .addService), (4, .dropService), (4, .changeConfig), (4, .changeSecret),
        (3, .changeNetwork), (4, .scale), (3, .comment), (2, .nothing), (2, .disable), (3, .enable), (1, .retire),
        (2, .rename), (1, .replace), (3, .addApp), (2, .dropApp), (2, .depend), (1, .emptyFile), (1, .brokenFile),
        (1, .noFile), (1, .unknownKey), (1, .nameless), (1, .emptyItem), (1, .brokenStacksFile), (1, .emptyFleet),
        (2, .moveToOtherSource), (2, .copyToOtherSource), (3, .failJob), (4, .dropMany), (2, .dropMostApps),
    ]

    /// `isShared`: Whether there are two sources; then apps go from one to the other more often.
    static func drawn(_ random: inout Random, isShared: Bool = false) -> Mutation {
        if isShared, random.happens(0.12) { return random.happens(0.5) ? .moveToOtherSource : .copyToOtherSource }
        return random.pick(weighted: weights) ?? .changeService
    }
}

/// Makes a fleet, and changes one.
struct FleetGenerator {
    var random: Random
    let targets: [String]
    /// What names of apps begin with, so that two sources never declare the same by chance.
    let prefix: String
    private var stamp = 0
    private var made = 0

    init(random: Random, targets: [String], prefix: String) {
        self.random = random
        self.targets = targets
        self.prefix = prefix
    }

    mutating func initial(apps count: Int) -> DeclaredFleet {
        var fleet = DeclaredFleet()
        for _ in 0..<count {
            let app = newApp()
            fleet[app.name] = app
        }
        return fleet
    }

    /// Makes a change.
    mutating func change(_ fleet: inout DeclaredFleet, by mutation: Mutation) {
        // Whatever was wrong with the whole file is put right by the next commit.
        fleet.oddity = nil
        if random.happens(0.7) { (fleet.namelessEntries, fleet.emptyItems) = (0, 0) }
        switch mutation {
        case .nothing, .copyToOtherSource: break
        case .nameless: fleet.namelessEntries = 1
        case .emptyItem: fleet.emptyItems = 1
        case .brokenStacksFile: fleet.oddity = random.pick(DeclaredFleet.Oddity.allCases)
        case .emptyFleet: fleet.apps = []
        case .dropMostApps:
            // What is too few to be many becomes many first.
            if fleet.apps.count > 2 { fleet.apps.removeLast(fleet.apps.count - 1) } else { add(newApp(), to: &fleet) }
        case .addApp: if fleet.apps.count < 5 { add(newApp(), to: &fleet) }
        default:
            guard let app = random.pick(fleet.apps) else { return add(newApp(), to: &fleet) }
            changeApp(app, in: &fleet, by: mutation)
        }
        tidy(&fleet)
    }

    private func add(_ app: DeclaredApp, to fleet: inout DeclaredFleet) { fleet[app.name] = app }

    private mutating func changeApp(_ old: DeclaredApp, in fleet: inout DeclaredFleet, by mutation: Mutation) {
        var app = old
        switch mutation {
        case .disable: app.isEnabled = false
        case .enable: for index in fleet.apps.indices { fleet.apps[index].isEnabled = true }
        case .retire:
            fleet[app.name] = nil
            fleet.retired.append(app.name)
            return
        case .dropApp, .moveToOtherSource:
            fleet[app.name] = nil
            return
        case .rename:
            fleet[app.name] = nil
            app.name = newName()
        case .replace:
            fleet[app.name] = nil
            app.replaces = [app.name]
            app.name = newName()
        case .depend:
            app.dependsOn = random.pick(fleet.apps.filter { $0.name < app.name }).map { [$0.name] } ?? []
        case .emptyFile: app.oddity = .emptyFile
        case .brokenFile: app.oddity = .brokenFile
        case .noFile: app.oddity = .noFile
        case .unknownKey: app.oddity = .unknownKey
        case .changeNetwork: app.network += 1
        case .comment: app.comment += 1
        case .mend:
            app.oddity = nil
            for index in app.services.indices where !app.services[index].nature.isGood(hasDatabase: false) {
                app.services[index].nature = .good
                app.services[index].stamp = newStamp()
            }
        default: changeServices(&app, by: mutation)
        }
        fleet[app.name] = app
    }

    private mutating func changeServices(_ app: inout DeclaredApp, by mutation: Mutation) {
        if app.services.isEmpty || mutation == .addService && app.services.count < 4 {
            let free = ["web", "api", "worker", "cache"].first { name in !app.services.contains { $0.name == name } }
            app.services.append(newService(free ?? "extra\(app.services.count)"))
            return
        }
        if mutation == .dropMany {
            if app.services.count > 2 {
                app.services.removeLast(app.services.count - 1)
            } else {
                for name in ["api", "worker"] where !app.services.contains(where: { $0.name == name }) {
                    app.services.append(newService(name))
                }
            }
            return
        }
        if mutation == .failJob {
            app.services.removeAll { $0.name == "migrate" }
            app.services.append(DeclaredService(name: "migrate", nature: .failingJob, stamp: newStamp()))
            return
        }
        if mutation == .addJob, !app.services.contains(where: { $0.name == "migrate" }) {
            app.services.append(DeclaredService(name: "migrate", nature: .job, stamp: newStamp()))
            return
        }
        if mutation == .needDatabase {
            let stamp = newStamp()
            let name = DeclaredService.database
            app.services.removeAll { $0.name == name }
            app.services.append(DeclaredService(name: name, nature: stamp % 3 == 0 ? .slow : .good, stamp: stamp))
        }
        var index = random.below(app.services.count)
        // What was changed once is changed again.
        if mutation == .changeSecret, let other = app.services.firstIndex(where: { $0.secret != nil }) { index = other }
        switch mutation {
        case .dropService:
            app.services.remove(at: index)
            return
        case .scale:
            let nature = app.services[index].nature
            let count = random.within(0...3)
            // Of what cannot run, none would be well.
            app.services[index].replicas =
                nature.isJob ? 1 : nature.isGood(hasDatabase: true) ? count : max(1, count)
            return
        case .changeConfig: app.services[index].config = newStamp()
        case .changeSecret: app.services[index].secret = newStamp()
        case .crash: app.services[index].nature = .crash
        case .unhealthy: app.services[index].nature = .unhealthy
        case .refused: app.services[index].nature = .refused
        case .missingImage: app.services[index].nature = .missing
        case .slow: app.services[index].nature = .slow
        case .needDatabase where app.services[index].name != DeclaredService.database:
            app.services[index].nature = .needsDatabase
        default: break
        }
        if app.services[index].replicas == 0, !app.services[index].nature.isGood(hasDatabase: false) {
            app.services[index].replicas = 1
        }
        app.services[index].stamp = newStamp()
    }

    /// A change that would make the file invalid by what other apps say of a name takes that with it.
    private func tidy(_ fleet: inout DeclaredFleet) {
        let names = Set(fleet.apps.filter(\.isEnabled).map(\.name))
        for index in fleet.apps.indices {
            fleet.apps[index].dependsOn.removeAll { !names.contains($0) }
            fleet.apps[index].replaces.removeAll { names.contains($0) }
        }
        fleet.retired.removeAll { name in fleet.apps.contains { $0.name == name } }
    }

    // MARK: New ones

    private mutating func newName() -> String {
        made += 1
        return "\(prefix)\(made)"
    }

    private mutating func newStamp() -> Int {
        stamp += 1
        return stamp
    }

    private mutating func newApp() -> DeclaredApp {
        let count = random.pick(weighted: [(5, 1), (3, 2), (1, 3)]) ?? 1
        let names = ["web", "api", "worker"].prefix(count)
        return DeclaredApp(
            name: newName(),
            target: random.pick(targets) ?? "",
            services: names.map { newService($0) },
            ignoresReplicas: random.happens(0.2)
        )
    }

    private mutating func newService(_ name: String) -> DeclaredService {
        DeclaredService(
            name: name,
            nature: random.happens(0.1) ? .slow : .good,
            stamp: newStamp(),
            replicas: random.pick(weighted: [(6, 1), (3, 2), (1, 3)]) ?? 1,
            config: random.happens(0.25) ? newStamp() : nil,
            secret: random.happens(0.2) ? newStamp() : nil
        )
    }
}
