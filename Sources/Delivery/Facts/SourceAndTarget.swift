/// How a source is.
package struct SourceRecord: Sendable, Hashable {
    package var name: String
    package var url: String
    package var commit: String
    /// When its head was last read without an error.
    package var lastSuccess: Timestamp?
    package var error: String?

    package init(name: String, url: String, commit: String = "", lastSuccess: Timestamp? = nil, error: String? = nil) {
        self.name = name
        self.url = url
        self.commit = commit
        self.lastSuccess = lastSuccess
        self.error = error
    }
}

/// How a target is.
package struct TargetRecord: Sendable, Hashable {
    package var name: String
    package var endpoint: String
    package var version: String
    package var lastSuccess: Timestamp?
    package var error: String?

    package init(
        name: String,
        endpoint: String,
        version: String = "",
        lastSuccess: Timestamp? = nil,
        error: String? = nil
    ) {
        self.name = name
        self.endpoint = endpoint
        self.version = version
        self.lastSuccess = lastSuccess
        self.error = error
    }
}
