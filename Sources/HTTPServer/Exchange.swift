/// One HTTP request, read in full.
package struct Request: Sendable {
    package var method: String
    /// The path, percent-decoded, such as `/api/v1/apps`.
    package var path: String
    package var query: [String: String]
    /// The fields, their names in lower case; of repeated ones the last.
    package var headers: [String: String]
    package var body: [UInt8]
    /// The client's address without its port; `unix` on a Unix socket.
    package var client: String

    package init(
        method: String,
        path: String,
        query: [String: String] = [:],
        headers: [String: String] = [:],
        body: [UInt8] = [],
        client: String = ""
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.client = client
    }

    /// A cookie by its name.
    package func cookie(_ name: String) -> String? {
        for part in (headers["cookie"] ?? "").split(separator: ";") {
            let pair = part.drop { $0 == " " }.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if pair.count == 2, pair[0] == name { return String(pair[1]) }
        }
        return nil
    }
}

/// What answers a request.
package struct Response: Sendable {
    /// What is sent after the fields.
    package enum Body: Sendable {
        case bytes(SharedBytes)
        /// Goes on until either side ends it.
        case stream(ByteStream)
    }

    package var status: Int
    package var headers: [(name: String, value: String)]
    package var body: Body

    package init(_ status: Int, _ headers: [(name: String, value: String)] = [], body: Body) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// An answer of a known type.
    package init(_ status: Int, type: String, _ bytes: [UInt8]) {
        self.init(status, [("Content-Type", type)], body: .bytes(SharedBytes(bytes)))
    }

    package init(_ status: Int, type: String, _ text: String) { self.init(status, type: type, Array(text.utf8)) }
}

/// Bytes that many responses share without copying them.
package final class SharedBytes: Sendable {
    private let address: UInt
    package let count: Int

    package init(_ bytes: [UInt8]) {
        count = bytes.count
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(count, 1), alignment: 1)
        buffer.copyBytes(from: bytes)
        address = UInt(bitPattern: buffer.baseAddress)
    }

    deinit { pointer?.deallocate() }

    var pointer: UnsafeMutableRawPointer? { UnsafeMutableRawPointer(bitPattern: address) }
    package var bytes: [UInt8] { Array(UnsafeRawBufferPointer(start: pointer, count: count)) }
}
