internal import Crypto
internal import Delivery
internal import Documents
internal import Mail

extension Message {
    /// The message as a mail (RFC 5322, RFC 2045, RFC 2047).
    func mailMessage(from: String, to: [String], date: Timestamp) -> [UInt8] {
        let domain = from.split(separator: "@").last.map(String.init) ?? "localhost"
        var text = self.text
        if let url { text += "\n\n\(url)" }
        let fields = [
            "From: Hecate <\(from)>", "To: \(to.map { "<\($0)>" }.joined(separator: ", "))",
            "Subject: \(encodedWords(title))", "Date: \(date.mailText)", "Message-ID: <\(id)@\(domain)>",
            "Auto-Submitted: auto-generated", "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: base64",
        ]
        var body = base64(Array("\(text)\n".utf8))[...]
        var lines: [String] = []
        while !body.isEmpty {
            lines.append(String(body.prefix(76)))
            body = body.dropFirst(76)
        }
        return Array((fields + [""] + lines + [""]).joined(separator: "\r\n").utf8)
    }

    /// Words that are not plain ASCII, in pieces of at most 75 characters.
    private func encodedWords(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { (0x20..<0x7F).contains($0) }
        guard !isPlain else { return shortened(text, to: 200) }
        var pieces: [[UInt8]] = [[]]
        for character in shortened(text.filter { !$0.isNewline }, to: 200) {
            let bytes = Array(String(character).utf8)
            if pieces[pieces.count - 1].count + bytes.count > 42 { pieces.append([]) }
            pieces[pieces.count - 1] += bytes
        }
        return pieces.map { "=?utf-8?B?\(base64($0))?=" }.joined(separator: "\r\n ")
    }
}
