import Delivery
import Glibc
import HTTP
import JSON
import SimulatedEngine

/// A call that is about to change something.
struct Mutating {
    var method: String
    var kind: String
    /// The path without the version of the API and without the query.
    var path: String
    var object: JSON?
    var body: JSON?
    var name: String
    var stack: String
    /// Whether it is a question in disguise: the Engine takes an update of a secret only when its content is the same.
    var isQuestion: Bool { kind == "secrets" && path.hasSuffix("/update") }
    /// Whether a controller takes, keeps or ends its lease of one of our sources.
    var isLease: Bool { kind == "configs" && name.hasPrefix("hecate.lease.") }
}

/// The laws of calls: checked at every call of a controller, most of them at those that change something.
extension Laws {
    /// The most calls of a controller in a minute.
    ///
    /// One that is well makes some hundred in its busiest.
    private static let mostCallsPerMinute = 1500

    func calls(_ life: Life) {
        let minute = World.shared.now / seconds(60)
        if callWindow != minute { (callWindow, callsInWindow) = (minute, 0) }
        callsInWindow += 1
        Statistics.highest("calls in a minute", callsInWindow)
        if callsInWindow == 1 { checkLoad(of: life) }
        if callsInWindow == Self.mostCallsPerMinute {
            fail(.noCircle, "\(life) made \(Self.mostCallsPerMinute) calls in less than a minute")
        }
    }

    /// Checked at every question: the Engine takes an empty value of a label for any.
    func questions(_ request: Request, _ life: Life) {
        // At every question, so at the bytes.
        guard strstr(request.path, "namespace%3D%22") != nil else { return }
        fail(.nobodyIsNotEverybody, "\(life) asks \(request.path)")
    }

    func asks(_ request: Request, of target: Target, by caller: Caller) -> Mutating? {
        guard case .controller = caller else { return nil }
        let mutating = identify(request, on: target)
        if mutating.isLease { return mutating }
        if mutating.kind == "volumes" { fail(.volumesKept, "\(request.method) \(request.path)") }
        checkForeign(mutating, on: target)
        if case .controller(let life) = caller { checkClaim(mutating, life) }
        if mutating.method == "DELETE", mutating.kind == "services" {
            checkRemoval(mutating, on: target)
            if case .controller(let life) = caller { checkAgainstReading(mutating, on: target, life) }
        }
        if mutating.method == "DELETE", mutating.kind == "secrets", case .controller(let life) = caller {
            checkSecretIsNotKept(mutating, on: target, life)
        }
        return mutating
    }

    func done(_ mutating: Mutating, _ response: Response, on target: Target, by caller: Caller) {
        guard response.status < 300, !mutating.isQuestion, !mutating.isLease else { return }
        let text = "\(mutating.method) \(mutating.path) \(mutating.name)"
        mutations.append(
            Mutated(time: World.shared.now, stack: mutating.stack, target: target.name, text: text)
        )
        Statistics.count("call \(mutating.method) \(mutating.kind)")
        noteRejection(mutating, on: target)
        if mutating.kind == "services", mutating.path.hasSuffix("/update") { checkUpdate(mutating, on: target) }
    }

    /// What stands beside a claim of what was rejected.
    ///
    /// Whoever is about to try it again takes it away first, and is judged by what stood there.
    private func noteRejection(_ mutating: Mutating, on target: Target) {
        guard mutating.kind == "configs", let labels = mutating.body?["Labels"],
            let rejected = labels["io.hecate.rejected"]?.string
        else { return }
        // What is not rolled back yet may be what runs.
        let isRolledBack = labels["io.hecate.rejected.rolled-back"]?.string == "true"
        if isRolledBack { Statistics.count("state a rejection on the target") }
        notedRejections[AppID(target: target.name, name: mutating.stack)] = isRolledBack ? rejected : nil
    }

    /// The parts of a request's path, without the version of the API and without the query.
    static func parts(of request: Request) -> [String] {
        let whole = request.path.utf8.prefix { $0 != UInt8(ascii: "?") }
        let parts = whole.split(separator: UInt8(ascii: "/")).compactMap { String($0) }
        return parts.first?.hasPrefix("v") == true ? Array(parts.dropFirst()) : parts
    }

    private func identify(_ request: Request, on target: Target) -> Mutating {
        let words = Self.parts(of: request)
        let path = "/" + words.joined(separator: "/")
        // A lease is renewed all the time, and of its renewal nothing more is asked.
        if words.first == "configs", words.count > 1, let name = target.engine.name(ofConfig: words[1]),
            name.hasPrefix("hecate.lease.")
        {
            return Mutating(method: request.method, kind: "configs", path: path, name: name, stack: "")
        }
        let body = request.body.flatMap { try? JSON(parsing: $0) }
        var object: JSON?
        if words.count > 1, words[1] != "create" {
            let question = Request("GET", "/v1.44/\(words[0])/\(words[1])")
            let answer = target.engine.handle(question)
            if answer.status == 200 { object = try? JSON(parsing: answer.body) }
        }
        let subject = object?["Spec"] ?? object ?? body
        let labels = subject?["Labels"]
        return Mutating(
            method: request.method,
            kind: words.first ?? "",
            path: path,
            object: object,
            body: body,
            name: subject?["Name"]?.string ?? "",
            stack: (labels?["com.docker.stack.namespace"] ?? labels?["io.hecate.app"])?.string ?? ""
        )
    }

    /// Objects of others are never changed: those of stacks that no source of ours ever declared, those without a
    /// stack, and those of stacks that another controller claims.
    private func checkForeign(_ mutating: Mutating, on target: Target) {
        // An object that is not there cannot be hurt.
        guard mutating.object != nil || mutating.path.hasSuffix("/create") else { return }
        let isOurs = simulation.wasDeclared(mutating.stack) && !simulation.foreignStacks.contains(mutating.stack)
        let isClaimed = simulation.claimedByOthers.contains(mutating.stack)
        guard !isOurs || isClaimed else { return }
        // The claim itself may be asked for; the Engine says that it is taken.
        if isClaimed, mutating.path == "/configs/create", mutating.name == "hecate.\(mutating.stack)" { return }
        fail(.foreignUntouched, "\(mutating.method) \(mutating.path) of '\(mutating.name)' on \(target.name)")
    }

    /// A service goes only when a commit, read in full, does without it.
    private func checkRemoval(_ mutating: Mutating, on target: Target) {
        guard let object = mutating.object, let name = object["Spec"]?["Name"]?.string else { return }
        let service = String(name.dropFirst(mutating.stack.count + 1))
        let isDeclared = simulation.repositories.contains { repository in
            repository.history.contains { fleet in
                guard fleet.oddity == nil else { return false }
                // An entry that can be read counts, whatever is wrong with others.
                guard let app = fleet[mutating.stack], app.isEnabled, app.target == target.name else {
                    // A name that is to go counts too, whatever is wrong with others.
                    let isNamed =
                        fleet[mutating.stack].map { !$0.isEnabled && $0.oddity != .unknownKey }
                        ?? (fleet.retired + fleet.apps.flatMap(\.replaces)).contains(mutating.stack)
                    return fleet.isReadable || isNamed
                }
                return app.isReadable && !app.services.contains { $0.name == service }
            }
        }
        // What ran before the first change is gone back to as a whole.
        let isBaseline = simulation.controllers.contains { controller in
            controller.store.revisions.contains {
                $0.key.name == mutating.stack && $0.value.contains(where: \.commit.isEmpty)
            }
        }
        if !isDeclared, !isBaseline { fail(.removalDeclared, "\(name) was removed, and every commit so far wants it") }
    }

    /// Whether a task of a service as it is now runs, is to run, or has done what it had to do.
    private func runsOrIsDone(_ mutating: Mutating, on target: Target) -> Bool {
        let answer = target.engine.handle(Request("GET", "/v1.44/tasks"))
        let tasks = (try? JSON(parsing: answer.body))?.array ?? []
        return tasks.contains { task in
            guard task["ServiceID"] == mutating.object?["ID"],
                task["Spec"]?["ContainerSpec"] == mutating.object?["Spec"]?["TaskTemplate"]?["ContainerSpec"]
            else { return false }
            let state = task["Status"]?["State"]?.string ?? ""
            return ["ready", "running"].contains(task["DesiredState"]?.string ?? "") && state != "failed"
                || state == "complete"
        }
    }

    private func checkUpdate(_ mutating: Mutating, on target: Target) {
        guard let before = mutating.object?["Spec"], let after = mutating.body else { return }
        checkIgnored(mutating, before, after)
        // As the Engine has it: what it fills in by itself is no difference.
        let question = Request("GET", "/v1.44/services/\(mutating.object?["ID"]?.string ?? "")")
        let stored = (try? JSON(parsing: target.engine.handle(question).body))?["Spec"]
        // An update that the Engine paused is taken up again by asking for it once more.
        let isPaused = mutating.object?["UpdateStatus"]?["State"]?.string == "paused"
        if before == after || before == stored, !isPaused {
            fail(.noPointlessUpdate, "\(mutating.name) was updated to what it is already")
        } else if !isPaused,
            before["TaskTemplate"]?["ForceUpdate"] ?? 0 != after["TaskTemplate"]?["ForceUpdate"] ?? 0,
            runsOrIsDone(mutating, on: target)
        {
            fail(.noPointlessUpdate, "\(mutating.name) was restarted by force")
        }
        guard simulation.storm.kind == .quiet, simulation.lastStoreLoss == nil else { return }
        // Each commit may lead to one update, and to one back to what was there before.
        let commits = simulation.repositories.reduce(0) { $0 + $1.heads.count }
        let key = "\(mutating.name) \(commits) \(after.text())"
        updates[key, default: 0] += 1
        // What never was well has nothing to go back to and is tried again.
        if updates[key] == 2, !isTriedAgain(mutating.stack, target.name) {
            fail(.oneUpdatePerChange, "\(mutating.name) was updated twice to the same specification")
        }
    }
}
