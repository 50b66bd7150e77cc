internal import Compose
package import Delivery
package import Diagnostics
internal import Crypto
internal import JSON
internal import YAML

/// One entry of `stacks.yml`.
package struct StackDeclaration: Sendable {
    package var name: String
    package var place: Place
    var target: String
    var composeFiles: [String] = []
    var isEnabled = true
    var envFile: (path: String, place: Place)?
    /// The stacks that go once this one is ready, on the same target.
    var replaces: [String] = []
    /// The stacks that must be ready before this one is touched.
    var dependsOn: [AppID] = []
    var profiles: [String] = []
    var prunes = true
    var timeout: Duration?
    var interval: Duration?
    var verifyWindow: Duration?
    var sendsRegistryAuth = true
    var resolvesImages = true
    var ignored: [(service: String, field: String)] = []
    var bindRoot: String?

    /// The app that the stack is.
    package var id: AppID { AppID(target: target, name: name) }

    init(name: String, place: Place, target: String) {
        self.name = name
        self.place = place
        self.target = target
    }
}

/// `stacks.yml`: which stacks a source wants, in HiveMind's form and with what Hecate adds to it.
package struct StacksFile: Sendable {
    package var stacks: [StackDeclaration] = []
    package var retired: [AppID] = []
    /// Entries that cannot be read, by the app they name; they are left as they are.
    package var unreadable: [AppID: Failure] = [:]
    /// What is wrong with entries of which nobody can say what app they are about.
    package var unattributed: [Diagnostic] = []
    package var diagnostics: [Diagnostic] = []

    /// Whether some entry could not be attributed to an app, so that nothing may be taken for undeclared.
    package var isPartial: Bool { !unattributed.isEmpty }

    /// Reads the file.
    ///
    /// `targets`: The names of the Swarm targets, the default first.
    /// - Throws: `Invalid` when the file as a whole cannot be read; entries that cannot are kept apart.
    package init(_ bytes: [UInt8], file: String, targets: [String]) throws(Invalid) {
        let root = try parse(bytes, file: file)
        guard root.mapping != nil || root.isNull else {
            throw Invalid(at: root.place, "a stacks file is a mapping with 'stacks:', found \(root.kind)")
        }
        let top = Fields.Sink()
        let fields = Fields(root, into: top)
        let entries = fields.list("stacks") ?? []
        let retiredNames = fields.node("retired_stacks")
        if let node = retiredNames, node.mapping != nil {
            fields.wrongType(node, "retired_stacks", expected: "a list")
        }
        fields.finish()
        try top.diagnostics.throwIfErrors()

        var reading = Reading(targets: targets)
        for entry in entries { reading.read(entry) }
        reading.retire(retiredNames)
        reading.finish()
        stacks = reading.stacks
        retired = reading.retired
        unreadable = reading.unreadable
        unattributed = reading.unattributed
        diagnostics = reading.diagnostics
    }
}

extension StackDeclaration {
    /// Everything here that the stack's files do not show.
    var settings: String {
        let document: JSON = .compact([
            "compose": JSON(composeFiles), "env": envFile.map { .string($0.path) },
            "depends": JSON(dependsOn.map(\.description)),
            "profiles": JSON(profiles), "prune": .bool(prunes), "auth": .bool(sendsRegistryAuth),
            "resolve": .bool(resolvesImages), "ignored": JSON(ignored.map { "\($0.service).\($0.field)" }),
            "bindRoot": bindRoot.map { .string($0) }, "replaces": JSON(replaces),
        ])
        return document.text()
    }
}
