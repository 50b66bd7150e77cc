internal import JSON

/// How one stack wants to be treated.
struct StackOptions: Sendable {
    /// Whether what is no longer declared is removed.
    var prunes = true
    /// Fields that somebody else owns, by service key; `*` for all services.
    var ignored: [(service: String, field: String)] = []
    var resolvesImages = true
    var sendsRegistryAuth = true
    /// What the names of the stack's objects begin with, where that is not the stack's name.
    var namePrefix: String?

    init(
        prunes: Bool = true,
        ignored: [(service: String, field: String)] = [],
        resolvesImages: Bool = true,
        sendsRegistryAuth: Bool = true,
        namePrefix: String? = nil
    ) {
        self.prunes = prunes
        self.ignored = ignored
        self.resolvesImages = resolvesImages
        self.sendsRegistryAuth = sendsRegistryAuth
        self.namePrefix = namePrefix
    }

    /// The options but for what the names begin with, which the names say; empty for the usual ones.
    var text: String {
        var other = self
        other.namePrefix = nil
        let text = other.json.text()
        return text == StackOptions().json.text() ? "" : text
    }

    /// The options as they stand in a kept revision.
    var json: JSON {
        [
            "prune": .bool(prunes), "resolveImages": .bool(resolvesImages), "registryAuth": .bool(sendsRegistryAuth),
            "namePrefix": namePrefix.map { .string($0) } ?? .null,
            "ignored": .array(ignored.map { ["service": .string($0.service), "field": .string($0.field)] }),
        ]
    }

    init(_ json: JSON) {
        prunes = json["prune"]?.bool ?? true
        resolvesImages = json["resolveImages"]?.bool ?? true
        sendsRegistryAuth = json["registryAuth"]?.bool ?? true
        namePrefix = json["namePrefix"]?.string
        ignored =
            json["ignored"]?.array?.compactMap { item in
                guard let service = item["service"]?.string, let field = item["field"]?.string else { return nil }
                return (service, field)
            } ?? []
    }

    /// The options of a kept revision; those of one that an earlier version kept are the usual ones.
    init(payload: [UInt8]) { self.init((try? JSON(parsing: payload))?["options"] ?? .null) }
}
