internal import Diagnostics
internal import JSON

/// What the cluster should hold for one stack, in the Engine's own terms.
struct DesiredStack: Sendable {
    var name: String
    var services: [DesiredService] = []
    var networks: [DesiredNetwork] = []
    var files: [DesiredFile] = []
    /// Objects made elsewhere that must exist before anything is changed.
    var externals: [External] = []
    /// Whether nothing is to be left of the stack; a stack that merely declares nothing is none.
    var isRemoval = false
    /// Whether it is what ran before the first change, and not what anybody declared.
    var isCaptured = false
    /// Set when the state was restored from the journal: its fingerprint then.
    var restoredFingerprint: String?
}

/// One service.
struct DesiredService: Sendable {
    /// The name in the cluster, with the stack's name before it.
    var name: String
    /// The name in the Compose file.
    var key: String
    /// The service's specification.
    ///
    /// Networks are named by their declared names, configs and secrets by theirs.
    var spec: JSON
    var place: Place?
    var dependsOn: [String] = []
}

/// A network that belongs to the stack.
struct DesiredNetwork: Sendable {
    var name: String
    /// The body of `POST /networks/create`, without the name.
    var body: JSON
}

/// A config or a secret that belongs to the stack.
struct DesiredFile: Sendable {
    /// Which of the two it is, and so which part of the API it lives in.
    enum Kind: String, Sendable { case config, secret }

    var kind: Kind
    var name: String
    var labels: [String: String]
    /// The content; nil for a secret that was restored from the journal, which never holds one.
    var content: [UInt8]?
    /// The content's SHA-256.
    var hash: String
    var driver: JSON?
    var templating: JSON?
    /// The object's name as it was deployed, when the state was restored.
    var deployedName: String?
}

/// Something the stack uses and does not own.
struct External: Sendable, Hashable {
    /// What it is.
    enum Kind: String, Sendable { case network, config, secret, volume }
    var kind: Kind
    var name: String
    var place: Place?
}

/// The labels that `docker stack` knows its objects by.
enum StackLabel {
    static let namespace = "com.docker.stack.namespace"
    static let image = "com.docker.stack.image"
}
