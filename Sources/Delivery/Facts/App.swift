package import Diagnostics

/// Names an app: the target it runs on and its name there.
package struct AppID: Hashable, Sendable, Comparable, CustomStringConvertible {
    package var target: String
    package var name: String

    package init(target: String, name: String) {
        self.target = target
        self.name = name
    }

    /// `target/name`.
    package var description: String { "\(target)/\(name)" }

    /// Whether both parts name something: an empty name means "any" to more than one API, and must reach none.
    package var isValid: Bool {
        [target, name].allSatisfy { part in
            !part.isEmpty && part.utf8.count <= 255 && part != "." && part != ".."
                && part.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7F && $0 != "/" }
        }
    }

    package static func < (left: AppID, right: AppID) -> Bool {
        (left.target, left.name) < (right.target, right.name)
    }
}

/// One commit of a source.
package struct Revision: Hashable, Sendable {
    package var source: String
    package var commit: String
    package var author: String
    package var subject: String

    package init(source: String, commit: String, author: String = "", subject: String = "") {
        self.source = source
        self.commit = commit
        self.author = author
        self.subject = subject
    }

    /// The first twelve digits of the commit.
    package var short: String { String(commit.prefix(12)) }
}

/// One unit of delivery on one target, as its source declares it.
package struct App: Sendable {
    package var id: AppID
    package var source: String
    /// Where the source declares it.
    package var place: Place
    /// Apps that must be ready at their current revision before this one is touched.
    package var dependsOn: [AppID] = []
    /// Apps that are removed once this one is ready.
    package var replaces: [AppID] = []
    /// How long a deployment may take to become healthy.
    package var timeout: Duration
    /// How long it must stay healthy before it counts as done.
    package var verifyWindow: Duration
    /// How often it is compared even when nothing happened.
    package var interval: Duration
    /// Everything of the declaration that the app's own files do not show, as one text; a change of it is a change of
    /// the app.
    package var settings: String
    /// The fingerprint these settings are known to give, from an earlier reading; nil when the files have to be read.
    package var knownFingerprint: String?
    /// Reads the app's files and gives the deployment they describe.
    package var prepare: @Sendable (any Snapshot) async throws -> any Deployment

    package init(
        id: AppID,
        source: String,
        place: Place,
        timeout: Duration,
        verifyWindow: Duration,
        interval: Duration,
        settings: String,
        prepare: @escaping @Sendable (any Snapshot) async throws -> any Deployment
    ) {
        self.id = id
        self.source = source
        self.place = place
        self.timeout = timeout
        self.verifyWindow = verifyWindow
        self.interval = interval
        self.settings = settings
        self.prepare = prepare
    }
}

/// Everything one source declares at one revision.
package struct Fleet: Sendable {
    package var revision: Revision
    /// What marks the source's apps on their targets: its name and what tells it from others of that name.
    package var owner: String
    package var snapshot: any Snapshot
    package var apps: [App]
    /// Apps whose removal the source asks for by name: disabled and retired ones.
    package var retired: [AppID]
    /// Apps that the source declares and that cannot be read; they are left exactly as they are.
    package var unreadable: [AppID: Failure]
    /// Whether some entry could not be attributed to an app, so that nothing may be taken for undeclared.
    package var isPartial = false
    /// Whether the targets read the declared files themselves, so that a refused one has to be replaced by the last good
    /// revision at once instead of being left aside.
    package var isReadInPlace = false
    package var warnings: [Diagnostic]

    package init(
        revision: Revision,
        owner: String,
        snapshot: any Snapshot,
        apps: [App],
        retired: [AppID] = [],
        unreadable: [AppID: Failure] = [:],
        warnings: [Diagnostic] = []
    ) {
        self.revision = revision
        self.owner = owner
        self.snapshot = snapshot
        self.apps = apps
        self.retired = retired
        self.unreadable = unreadable
        self.warnings = warnings
    }
}
