package import Diagnostics

/// Whether a variable of this name may hold a secret, so that its value is not to be shown.
package func mayHoldSecret(_ name: String) -> Bool {
    let name = name.uppercased()
    return ["PASS", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "PRIVATE", "DSN", "AUTH"].contains { name.contains($0) }
        || name.hasSuffix("_URL") || name.hasSuffix("_URI") || name.hasSuffix("_PW")
}

/// Puts `${NAME}` where the value of a variable that may be a secret stands in what an operator is told.
package struct Redaction: Sendable {
    private let secrets: [(name: String, value: String)]

    /// `variables`: What the texts may have been made with; only those count whose names say that they hold secrets.
    package init(_ variables: [[String: String]]) {
        // Longer values first: one secret may hold another.
        secrets = variables.joined().filter { mayHoldSecret($0.key) && !$0.value.isEmpty }
            .map { (name: $0.key, value: $0.value) }
            .sorted { ($1.value.count, $0.name) < ($0.value.count, $1.name) }
    }

    package func applied(to text: String) -> String {
        secrets.reduce(text) { text, secret in
            // A very short value is also a part of ordinary words, and is replaced only where it stands alone.
            secret.value.count < 4
                ? text.replacing("'\(secret.value)'", with: "'${\(secret.name)}'")
                : text.replacing(secret.value, with: "${\(secret.name)}")
        }
    }

    package func applied(to diagnostic: Diagnostic) -> Diagnostic {
        Diagnostic(
            diagnostic.severity,
            at: diagnostic.place,
            applied(to: diagnostic.message),
            cure: diagnostic.cure.map(applied(to:))
        )
    }
}
