internal import Delivery
internal import Files
internal import JSON
internal import Subprocess
internal import Systemd

/// Newer images for containers whose units ask for them with `AutoUpdate=`, one container after the other.
///
/// `podman auto-update` restarts everything that has a newer image, also with one that it was rolled back from the day before.
package struct ImageUpdates {
    private let platform: NodePlatform
    private let settings: Settings
    private var note: UpdateNote
    /// Keeps a second update away, such as a person's while the timer's is under way.
    private let lock: FileLock

    package struct Settings: Sendable {
        /// A file with what to say to registries.
        package var credentials: String?
        /// How long a container has to stay well with its new image.
        package var window: Duration
        /// How long its health command may take to say so.
        package var timeout: Duration
        /// Whether a person wants a unit left as it is.
        package var isHeld: @Sendable (_ unit: String) async -> Bool

        package init(
            credentials: String?,
            window: Duration,
            timeout: Duration,
            isHeld: @escaping @Sendable (String) async -> Bool
        ) {
            self.credentials = credentials
            self.window = window
            self.timeout = timeout
            self.isHeld = isHeld
        }
    }

    /// What became of a service, or of an image.
    package enum Result: Equatable {
        case updated(from: String, to: String)
        /// A container of the image was not well with the newer one, and each has the older one again.
        case rolledBack(from: String, to: String)
        /// The newer image is the one that containers were rolled back from before.
        case refused(String)
        /// Somebody holds the service, stopped it or started something else meanwhile: the update says nothing of the image.
        case leftAlone
        case failed(String)
    }

    package init(platform: NodePlatform, settings: Settings) {
        self.platform = platform
        self.settings = settings
        note = UpdateNote(folder: platform.layout.kept)
        lock = FileLock("\(platform.layout.kept)/updates.lock")
    }

    /// Updates all containers that have newer images.
    ///
    /// `tell`: Called with what became of each service or image that has one.
    /// - Throws: `Failure` while another update is under way.
    package mutating func run(_ tell: (String, Result) -> Void) async throws {
        try makeFolder(platform.layout.kept, mode: 0o700)
        guard try lock.acquire() else {
            throw Failure(.conflict, "another 'hecate update' is under way on this node; wait for its end")
        }
        defer { lock.release() }
        // What another one noted since this one was made.
        note = UpdateNote(folder: platform.layout.kept)
        // Whoever began this died, or heard no more of it.
        if let pending = note.pending { try await conclude(pending, tell) }
        let asking = try await platform.containers().filter { !["", "disabled"].contains($0.updatePolicy) }
        for (image, containers) in Dictionary(grouping: asking, by: \.image).sorted(by: { $0.key < $1.key }) {
            try await update(image, containers, tell)
        }
    }

    private mutating func update(
        _ image: String,
        _ containers: [UnitContainer],
        _ tell: (String, Result) -> Void
    ) async throws {
        if containers.contains(where: { $0.updatePolicy != "local" }) {
            let authentication = settings.credentials.map { ["--authfile", $0] } ?? []
            let words = ["pull", "-q"] + authentication + [image]
            let pulled = try await platform.podman(words, timeout: .seconds(1800))
            guard pulled.code == 0 else {
                return tell(image, .failed("cannot be pulled: \(pulled.errorText.replacing("\n", with: " "))"))
            }
        }
        let answer = try await platform.podman(["image", "inspect", "--format", "{{.Id}}", image])
        let newer = trimmed(answer.outputText.replacing("\n", with: ""))
        guard answer.code == 0, !newer.isEmpty else { return }
        let older = containers.filter { $0.imageID != newer }.sorted { $0.service < $1.service }
        guard !older.isEmpty else { return }
        if note.refused[image] == newer {
            try await tagBack(image, older)
            return tell(image, .refused(newer))
        }
        var pending = UpdateNote.Pending(image: image, newer: newer)
        for container in older {
            let now = try await platform.containers().first { $0.service == container.service }
            guard let now, now.imageID == container.imageID, await !isHeld(container.service) else {
                tell(container.service, .leftAlone)
                continue
            }
            pending.services.append((container.service, container.imageID))
            if now.health == "unhealthy" { pending.wereIll = true }
            // Before anything is touched: nobody else would roll it back, and an image without a name may be cleared away.
            note.pending = pending
            try note.save()
            _ = try await platform.podman(["tag", container.imageID, Self.kept(container.imageID)])
            do {
                _ = try await platform.restart(container.service)
            } catch let error as SystemdError where error.isNoSuchUnit {
                // It went while its container ran on. Where no answer came, the next update judges what came of it.
                tell(container.service, .failed("\(error)"))
                pending.services.removeLast()
                continue
            }
            guard try await judge(container.service, &pending, tell) else { return }
        }
        if pending.services.isEmpty { try await tagBack(image, older) }
        try await settle(pending)
    }

    /// The name by which an older image is kept while it may be gone back to.
    private static func kept(_ image: String) -> String { "localhost/hecate-kept:\(image.prefix(16))" }

    private func isHeld(_ service: String) async -> Bool {
        await settings.isHeld(await platform.declaredName(of: service))
    }

    /// Has whatever starts next start what is good.
    private func tagBack(_ image: String, _ older: [UnitContainer]) async throws {
        var good = older.first
        for container in older where await !isHeld(container.service) {
            good = container
            break
        }
        if let good { _ = try await platform.podman(["tag", good.imageID, image]) }
    }

    /// Nothing is to be gone back to any more.
    private mutating func settle(_ pending: UpdateNote.Pending) async throws {
        note.pending = nil
        try note.save()
        for image in Set(pending.services.map(\.older)) {
            _ = try? await platform.podman(["untag", image, Self.kept(image)])
        }
    }

    /// Judges what an update before this one left.
    private mutating func conclude(_ begun: UpdateNote.Pending, _ tell: (String, Result) -> Void) async throws {
        var pending = begun
        for (service, _) in begun.services {
            guard try await judge(service, &pending, tell) else { return }
        }
        try await settle(begun)
    }

    /// - Returns: Whether the service is well, or is left alone; otherwise all that was updated is rolled back.
    private mutating func judge(
        _ service: String,
        _ pending: inout UpdateNote.Pending,
        _ tell: (String, Result) -> Void
    ) async throws -> Bool {
        let older = pending.services.first { $0.name == service }?.older ?? ""
        let verdict = try await isHeld(service) ? .others : platform.verdict(on: service, with: pending.newer, settings)
        switch verdict {
        case .well: tell(service, .updated(from: older, to: pending.newer))
        case .others:
            tell(service, .leftAlone)
            pending.services.removeAll { $0.name == service }
        case .ended, .ill:
            try await rollBack(pending, isAtFault: verdict == .ill && !pending.wereIll, tell)
            return false
        }
        return true
    }

    private mutating func rollBack(
        _ pending: UpdateNote.Pending,
        isAtFault: Bool,
        _ tell: (String, Result) -> Void
    ) async throws {
        if isAtFault { note.refused[pending.image] = pending.newer }
        var isDone = true
        for (service, older) in pending.services where await !isHeld(service) {
            let tagged = try await platform.podman(["tag", older, pending.image])
            guard tagged.code == 0 else {
                tell(service, .failed("its image before, \(older.prefix(12)), is gone: \(trimmed(tagged.errorText))"))
                continue
            }
            do {
                _ = try await platform.restart(service)
                tell(service, .rolledBack(from: pending.newer, to: older))
            } catch let error as SystemdError {
                if !error.isNoSuchUnit { isDone = false }
                tell(service, .failed("\(error)"))
            }
        }
        // Whatever becomes of the note, what runs is good again; where no answer came, the next update looks.
        do {
            if isDone { try await settle(pending) } else { try note.save() }
        } catch { tell(pending.image, .failed("it is not noted that it was rolled back: \(error)")) }
    }
}

/// What is known of updates from one to the next.
private struct UpdateNote {
    /// An update that was begun and not judged yet.
    struct Pending {
        var image: String
        var newer: String
        /// What was restarted, each with the image that it had.
        var services: [(name: String, older: String)] = []
        /// Whether one of them was ill before, so that its illness says nothing of the image.
        var wereIll = false
    }

    private let path: String
    /// By image, the one of that name that was rolled back last.
    var refused: [String: String] = [:]
    var pending: Pending?

    init(folder: String) {
        path = "\(folder)/updates.json"
        guard let known = (try? fileContent(path)).flatMap({ try? JSON(parsing: $0) }) else { return }
        refused = (known["refused"]?.object ?? [:]).compactMapValues(\.string)
        let begun = known["pending"]
        guard let image = begun?["image"]?.string, let newer = begun?["newer"]?.string else { return }
        var pending = Pending(image: image, newer: newer)
        pending.services = (begun?["services"]?.array ?? []).compactMap { service in
            guard let name = service["name"]?.string, let older = service["older"]?.string else { return nil }
            return (name, older)
        }
        pending.wereIll = begun?["wereIll"]?.bool ?? false
        self.pending = pending
    }

    func save() throws(FileError) {
        var document: JSON = ["refused": JSON(refused)]
        if let pending {
            document = [
                "refused": JSON(refused),
                "pending": [
                    "image": .string(pending.image), "newer": .string(pending.newer),
                    "services": .array(
                        pending.services.map { ["name": .string($0.name), "older": .string($0.older)] }
                    ), "wereIll": .bool(pending.wereIll),
                ],
            ]
        }
        try makeFolder(folder(of: path), mode: 0o700)
        try replaceFile(path, with: Array(document.text(pretty: true).utf8), mode: 0o600)
    }
}

extension NodePlatform {
    /// The unit that a service is made of, by its link; the service's own name for others.
    fileprivate func declaredName(of service: String) -> String {
        let names = (try? generator.linked()) ?? []
        let made = names.first { name in
            let text = try? UnitFile(fileContent(layout.link(of: name)), file: name.description)
            let given = text?.last(name.kind.section, "ServiceName").map { "\($0).service" }
            return (given ?? name.service) == service
        }
        return made?.description ?? service
    }

    /// How a service is with a new image.
    fileprivate enum Verdict {
        case well, ill
        /// It ended by itself or by somebody, which says nothing of the image.
        case ended
        /// It runs another image, or a person holds it.
        case others
    }

    fileprivate func verdict(
        on service: String,
        with image: String,
        _ settings: ImageUpdates.Settings
    ) async throws -> Verdict {
        let begin = ContinuousClock.now
        var restarts: Int?
        while true {
            guard let state = try await systemd.units(named: [service]).first, state.load != "not-found" else {
                return .others
            }
            // Who is started again and again is seldom met while it is down.
            let properties = try await systemd.properties(of: service)
            let now = properties["NRestarts"].flatMap { Int($0) } ?? 0
            if let restarts, now > restarts { return .ill }
            restarts = now
            let container = try await containers().first { $0.service == service }
            if let container, container.imageID != image { return .others }
            let waited = ContinuousClock.now - begin
            switch state.active {
            case "active":
                if container?.health == "unhealthy" { return .ill }
                let isReady = container?.isRunning == true && container?.health != "starting"
                if isReady, waited >= settings.window { return .well }
            case "activating" where state.sub != "auto-restart", "reloading", "deactivating": break
            case "inactive":
                if state.hasJob { break }
                return properties["Result"] == "success" ? .ended : .ill
            default: return .ill
            }
            if waited >= max(settings.timeout, settings.window) { return .ill }
            try await Task.sleep(for: .milliseconds(500))
        }
    }

    /// Restarts a service and waits for the end of that.
    fileprivate func restart(_ service: String) async throws -> String {
        let result = try await systemd.run(.restart, service)
        guard result == "dependency" else { return result }
        return try await start(service, withBound: try await bound(by: service))
    }
}
