package import Diagnostics
internal import YAML

/// What a configuration gives every stack, read without the secrets and files that the rest of it needs: enough to check
/// a fleet repository as the controller will read it.
package struct SharedSettings: Sendable, Equatable {
    package var variables: [String: String] = [:]
    package var bindRoot = Configuration.defaultBindRoot

    package init() {}

    /// - Throws: `Invalid` when the file is no mapping or one of these settings is wrong in it.
    package init(_ bytes: [UInt8], file: String) throws(Invalid) {
        let sink = Fields.Sink()
        let top = Fields(try parse(bytes, file: file), into: sink)
        bindRoot = top.string("bind_root") ?? bindRoot
        if let fields = top.fields("variables") {
            for entry in fields.entries { variables[entry.key] = fields.string(entry.key) }
        }
        try sink.diagnostics.throwIfErrors()
    }
}
