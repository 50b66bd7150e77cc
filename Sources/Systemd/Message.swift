internal import CSystemd

/// Something that systemd, or the bus to it, refused.
package struct SystemdError: Error, Sendable, CustomStringConvertible {
    /// The D-Bus error's name, such as `org.freedesktop.systemd1.NoSuchUnit`; empty when the bus itself failed.
    package var name: String
    package var description: String

    package init(name: String, description: String) {
        self.name = name
        self.description = description
    }

    package var isNoSuchUnit: Bool { name.hasSuffix(".NoSuchUnit") }

    /// Whether only another file of this very unit mends it; systemd says the same of units that it requires.
    package func isLasting(of unit: String) -> Bool {
        [".BadUnitSetting", ".LoadFailed"].contains(where: name.hasSuffix) && description.contains("Unit \(unit) ")
    }
}

/// One D-Bus message: what is appended going out, what is read coming in.
final class Message {
    let pointer: OpaquePointer

    /// Takes over a reference.
    init(_ pointer: OpaquePointer) { self.pointer = pointer }

    deinit { sd_bus_message_unref(pointer) }

    // MARK: Writing

    func append(_ text: String) throws(SystemdError) {
        try check(text.withCString { sd_bus_message_append_basic(pointer, CChar(UInt8(ascii: "s")), $0) })
    }

    func append(_ value: Bool) throws(SystemdError) {
        var number: Int32 = value ? 1 : 0
        try check(sd_bus_message_append_basic(pointer, CChar(UInt8(ascii: "b")), &number))
    }

    func append(_ texts: [String]) throws(SystemdError) {
        try check(sd_bus_message_open_container(pointer, CChar(UInt8(ascii: "a")), "s"))
        for text in texts { try append(text) }
        try check(sd_bus_message_close_container(pointer))
    }

    // MARK: Reading

    /// Reads a string, an object path or a signature.
    func string(_ type: Character = "s") throws(SystemdError) -> String {
        var value: UnsafePointer<CChar>?
        try check(sd_bus_message_read_basic(pointer, code(type), &value))
        return value.map { String(cString: $0) } ?? ""
    }

    /// A `t`.
    func long() throws(SystemdError) -> UInt64 {
        var value: UInt64 = 0
        try check(sd_bus_message_read_basic(pointer, code("t"), &value))
        return value
    }

    func unsigned() throws(SystemdError) -> UInt32 {
        var value: UInt32 = 0
        try check(sd_bus_message_read_basic(pointer, code("u"), &value))
        return value
    }

    /// Enters a container; false at the end of the one around it.
    func enter(_ type: Character, _ contents: String) throws(SystemdError) -> Bool {
        try check(sd_bus_message_enter_container(pointer, code(type), contents)) > 0
    }

    func leave() throws(SystemdError) { try check(sd_bus_message_exit_container(pointer)) }

    func skip(_ contents: String) throws(SystemdError) { try check(sd_bus_message_skip(pointer, contents)) }

    /// Reads a dictionary of properties; lists of texts are joined with blanks, byte strings become hexadecimal, other
    /// composite types are passed over.
    func properties() throws(SystemdError) -> [String: String] {
        var result: [String: String] = [:]
        _ = try enter("a", "{sv}")
        while try enter("e", "sv") {
            let name = try string()
            var contents: UnsafePointer<CChar>?
            var type: CChar = 0
            try check(sd_bus_message_peek_type(pointer, &type, &contents))
            let signature = contents.map { String(cString: $0) } ?? ""
            if signature.count == 1 || signature == "ay" || signature == "as" {
                _ = try enter("v", signature)
                switch signature {
                case "ay": result[name] = try bytes()
                case "as": result[name] = try strings().joined(separator: " ")
                default: result[name] = try basic(signature)
                }
                try leave()
            } else {
                try skip("v")
            }
            try leave()
        }
        try leave()
        return result
    }

    private func strings() throws(SystemdError) -> [String] {
        var result: [String] = []
        _ = try enter("a", "s")
        while try peek() { result.append(try string()) }
        try leave()
        return result
    }

    /// Whether something is left of the container.
    private func peek() throws(SystemdError) -> Bool {
        var type: CChar = 0
        return try check(sd_bus_message_peek_type(pointer, &type, nil)) > 0
    }

    private func bytes() throws(SystemdError) -> String {
        var data: UnsafeRawPointer?
        var count = 0
        try check(sd_bus_message_read_array(pointer, code("y"), &data, &count))
        guard let data else { return "" }
        return UnsafeRawBufferPointer(start: data, count: count).map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }

    private func basic(_ signature: String) throws(SystemdError) -> String {
        let type = Character(signature)
        if "sog".contains(type) { return try string(type) }
        // Large enough for every number D-Bus has; the machine is little-endian wherever this runs.
        var value: UInt64 = 0
        try check(sd_bus_message_read_basic(pointer, code(type), &value))
        return type == "i" ? String(Int32(truncatingIfNeeded: value)) : String(value)
    }

    private func code(_ type: Character) -> CChar { CChar(type.asciiValue ?? 0) }

    @discardableResult
    private func check(_ result: Int32) throws(SystemdError) -> Int32 { try checked(result, "the message") }
}

/// Throws when a call of libsystemd gives a negative number, which is an errno.
@discardableResult
func checked(_ result: Int32, _ what: String) throws(SystemdError) -> Int32 {
    guard result < 0 else { return result }
    throw SystemdError(name: "", description: "\(what): \(errorText(-result))")
}
