/// A position in a file of the operator's, counted from one as editors do.
package struct Place: Hashable, Sendable, Comparable, CustomStringConvertible {
    package var file: String
    package var line: Int
    package var column: Int

    package init(file: String, line: Int = 0, column: Int = 0) {
        self.file = file
        self.line = line
        self.column = column
    }

    /// `file:line:column`, the form editors and terminals turn into a link; a place without a line is only its file.
    package var description: String { line == 0 ? file : "\(file):\(line):\(column)" }

    package static func < (left: Place, right: Place) -> Bool {
        (left.file, left.line, left.column) < (right.file, right.line, right.column)
    }
}

/// One thing that is wrong with what the operator wrote: where, what was found, what was expected and the cure.
package struct Diagnostic: Hashable, Sendable, CustomStringConvertible {
    /// How much the diagnostic weighs.
    package enum Severity: String, Sendable {
        /// The input cannot be used.
        case error
        /// The input is used, and part of it has no effect.
        case warning
    }

    package var severity: Severity
    package var place: Place?
    package var message: String
    /// What to do about it, as a short clause; printed after the message.
    package var cure: String?

    package init(_ severity: Severity, at place: Place?, _ message: String, cure: String? = nil) {
        self.severity = severity
        self.place = place
        self.message = message
        self.cure = cure
    }

    /// The same of the file under another name.
    package func moved(_ rename: (String) -> String) -> Diagnostic {
        guard let place else { return self }
        let moved = Place(file: rename(place.file), line: place.line, column: place.column)
        return Diagnostic(severity, at: moved, message, cure: cure)
    }

    /// `place: message; cure`, in one line.
    package var description: String {
        let text = cure.map { "\(message); \($0)" } ?? message
        let marked = severity == .warning ? "warning: \(text)" : text
        return place.map { "\($0): \(marked)" } ?? marked
    }
}

/// Diagnostics as they are found, so that one reading reports everything at once.
package struct Diagnostics: Sendable {
    package private(set) var all: [Diagnostic] = []

    package init() {}

    package var errors: [Diagnostic] { all.filter { $0.severity == .error } }
    package var warnings: [Diagnostic] { all.filter { $0.severity == .warning } }
    package var hasErrors: Bool { all.contains { $0.severity == .error } }

    package mutating func error(at place: Place?, _ message: String, cure: String? = nil) {
        append(Diagnostic(.error, at: place, message, cure: cure))
    }

    package mutating func warning(at place: Place?, _ message: String, cure: String? = nil) {
        append(Diagnostic(.warning, at: place, message, cure: cure))
    }

    /// Adds one diagnostic, unless the very same was already found (an anchor used twice says it once).
    package mutating func append(_ diagnostic: Diagnostic) {
        if !all.contains(diagnostic) { all.append(diagnostic) }
    }

    package mutating func append(contentsOf others: [Diagnostic]) {
        for other in others { append(other) }
    }

    /// Throws everything found when any of it is an error.
    /// - Throws: `Invalid` with all diagnostics, sorted by place.
    package func throwIfErrors() throws(Invalid) {
        if hasErrors { throw Invalid(all) }
    }
}

/// Input that cannot be used; carries every reason, not only the first.
package struct Invalid: Error, Sendable, CustomStringConvertible {
    package var diagnostics: [Diagnostic]

    package init(_ diagnostics: [Diagnostic]) {
        self.diagnostics = diagnostics.sorted { left, right in
            guard let first = left.place, let second = right.place else { return left.place == nil }
            return first < second
        }
    }

    package init(at place: Place?, _ message: String, cure: String? = nil) {
        self.init([Diagnostic(.error, at: place, message, cure: cure)])
    }

    package var errors: [Diagnostic] { diagnostics.filter { $0.severity == .error } }

    package var description: String { errors.map(\.description).joined(separator: "\n") }
}
