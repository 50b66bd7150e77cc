internal import CCurl
internal import Synchronization
internal import Threads

/// A mail and the server that takes it.
package struct Mail: Sendable {
    /// How a connection becomes private.
    package enum Encryption: String, Sendable, CaseIterable {
        /// By STARTTLS, or not at all (RFC 3207).
        case starttls
        /// From the first byte (RFC 8314).
        case tls
        /// Never; for a server on the same machine.
        case none
    }

    package var host: String
    package var port: Int
    package var encryption: Encryption
    /// A PEM file of whom to trust, instead of the system's.
    package var authority: String?
    package var username: String?
    package var password: String?
    package var from: String
    package var to: [String]
    /// The message as RFC 5322 has it, with CRLF at its lines' ends.
    package var message: [UInt8]

    package init(host: String, port: Int, encryption: Encryption, from: String, to: [String], message: [UInt8]) {
        self.host = host
        self.port = port
        self.encryption = encryption
        self.from = from
        self.to = to
        self.message = message
    }
}

/// A mail that was not taken.
package struct MailError: Error, Sendable, CustomStringConvertible {
    package var description: String
    /// Whether the server said that it never will (RFC 5321, section 4.2.1: 5yz).
    package var isFinal: Bool
}

/// Hands mails to SMTP servers, on libcurl (RFC 5321).
package final class SMTPClient: Sendable {
    private let pool = ThreadPool(width: 2)

    package init() {}

    /// - Throws: `MailError` when the server did not take it.
    package func send(_ mail: Mail) async throws { try await pool.run { try Self.deliver(mail) } }

    private static func deliver(_ mail: Mail) throws {
        if let problem = hecate_curl_problem() {
            throw MailError(description: "\(String(cString: problem)); install libcurl4", isFinal: false)
        }
        guard let handle = hecate_curl_init() else {
            throw MailError(description: "libcurl is out of memory", isFinal: false)
        }
        defer { hecate_curl_cleanup(handle) }
        func set(_ option: CURLoption, _ value: String) { _ = hecate_curl_set_string(handle, option, value) }
        func set(_ option: CURLoption, _ value: Int) { _ = hecate_curl_set_long(handle, option, value) }
        set(CURLOPT_URL, "\(mail.encryption == .tls ? "smtps" : "smtp")://\(mail.host):\(mail.port)/hecate.localdomain")
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_CONNECTTIMEOUT_MS, 10_000)
        set(CURLOPT_TIMEOUT_MS, 60_000)
        if mail.encryption == .starttls { set(CURLOPT_USE_SSL, Int(CURLUSESSL_ALL.rawValue)) }
        if let authority = mail.authority { set(CURLOPT_CAINFO, authority) }
        if let username = mail.username { set(CURLOPT_USERNAME, username) }
        if let password = mail.password { set(CURLOPT_PASSWORD, password) }
        set(CURLOPT_MAIL_FROM, "<\(mail.from)>")
        var recipients: UnsafeMutablePointer<curl_slist>?
        defer { hecate_curl_free(recipients) }
        for address in mail.to { recipients = hecate_curl_append(recipients, "<\(address)>") }
        _ = hecate_curl_set_list(handle, CURLOPT_MAIL_RCPT, recipients)
        // One mailbox that is gone keeps the mail from nobody else.
        set(CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1)
        set(CURLOPT_UPLOAD, 1)
        let text = Upload(mail.message)
        _ = hecate_curl_set_pointer(handle, CURLOPT_READDATA, Unmanaged.passUnretained(text).toOpaque())
        _ = hecate_curl_set_read(handle) { buffer, size, count, context in
            guard let buffer, let context else { return 0 }
            let space = UnsafeMutableRawBufferPointer(start: buffer, count: size * count)
            return Unmanaged<Upload>.fromOpaque(context).takeUnretainedValue().read(into: space)
        }
        let result = withExtendedLifetime(text) { hecate_curl_perform(handle) }
        guard result != CURLE_OK else { return }
        var status = 0
        _ = hecate_curl_status(handle, &status)
        let reason = String(cString: hecate_curl_explain(result)).lowercased()
        let words = status >= 400 ? "the server answered \(status): \(reason)" : reason
        throw MailError(
            description: words,
            isFinal: (500..<600).contains(status) || result == CURLE_LOGIN_DENIED && status < 400
        )
    }
}

/// What of a message is not sent yet.
private final class Upload: Sendable {
    private let rest: Mutex<ArraySlice<UInt8>>

    init(_ bytes: [UInt8]) { rest = Mutex(bytes[...]) }

    func read(into space: UnsafeMutableRawBufferPointer) -> Int {
        rest.withLock { rest in
            let part = rest.prefix(space.count)
            space.copyBytes(from: part)
            rest = rest.dropFirst(part.count)
            return part.count
        }
    }
}
