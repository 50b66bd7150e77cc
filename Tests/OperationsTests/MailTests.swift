import Crypto
import Delivery
import JSON
import Journal
import Mail
@testable import Operations
import Subprocess
import TestSupport
import Testing

/// Mails through Exim.
@Suite(.serialized) struct MailTests {
    private func mail(_ server: MailServer, to: [String] = ["anna@localhost"]) -> Mail {
        var mail = Mail(
            host: "localhost",
            port: server.port,
            encryption: .starttls,
            from: "hecate@localhost",
            to: to,
            message: []
        )
        mail.authority = "\(server.scratch.path)/cert.pem"
        mail.username = "hecate"
        mail.password = "open sesame"
        return mail
    }

    private func message(_ text: String) -> Message {
        let event: JSON = [
            "subject": "default/wéb", "reason": "HealthCheckFailed", "severity": "error", "message": .string(text),
            "details": ["log: .", "."],
        ]
        return Message(id: "0123abcd", events: [event], template: nil, base: "https://hecate.example.org")
    }

    @Test(.timeLimit(.minutes(2))) func aMailArrivesOverSTARTTLS() async throws {
        let server = try await MailServer()
        do { try await exchange(server) } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    private func exchange(_ server: MailServer) async throws {
        var mail = mail(server, to: ["anna@localhost", "otto@localhost"])
        let message = message("✗ the disk is full\n.\nand more " + String(repeating: "x", count: 3000))
        mail.message = message.mailMessage(from: mail.from, to: mail.to, date: Timestamp(1_795_248_000))
        try await SMTPClient().send(mail)
        var mails = ""
        for _ in 0..<100 where mails.isEmpty {
            try await Task.sleep(for: .milliseconds(100))
            mails = try await server.mails()
        }
        #expect(mails.contains("Message-ID: <0123abcd@localhost>"))
        #expect(mails.contains("Date: Sat, 21 Nov 2026 08:00:00 +0000"))
        #expect(mails.contains("with esmtpsa"), "encrypted, and signed in")
        #expect(mails.split(separator: "\n").allSatisfy { $0.utf8.count <= 998 })
        // Python's own reader of mail says what stands in it.
        let program = """
            import sys, email, email.policy, json
            m = email.message_from_binary_file(open(sys.argv[1], "rb"), policy=email.policy.default)
            print(json.dumps({"subject": m["subject"], "text": m.get_content(), "to": m["to"]}))
            """
        let file = try await shell(["sh", "-c", "ls \(server.scratch.path)/mail/* | head -n 1"])
        let read = try JSON(parsing: try await shell(["python3", "-c", program, trimmedLine(file)]))
        #expect(read["subject"]?.string == message.title)
        let text = read["text"]?.string ?? ""
        #expect(text.hasPrefix(message.text) && text.contains("https://hecate.example.org/apps/default/w"), "\(text)")

        // What is not right is said, and whether it will ever be.
        var plain = mail
        plain.encryption = .none
        var stranger = mail
        stranger.password = "wrong"
        var distrust = mail
        distrust.authority = nil
        var nobody = mail
        nobody.to = ["nobody@localhost"]
        var later = mail
        later.to = ["later@localhost"]
        var away = mail
        away.port = 1
        for (wrong, words, isFinal) in [
            (plain, "550", true), (stranger, "535", true), (distrust, "certificate", false), (nobody, "550", true),
            (later, "451", false), (away, "connect", false),
        ] {
            do {
                try await SMTPClient().send(wrong)
                Issue.record("it was taken, although: \(words)")
            } catch let error as MailError {
                #expect(error.description.contains(words) && error.isFinal == isFinal, "\(error) \(error.isFinal)")
            }
        }
    }

    @Test func templatesNameWhatTheyDoNotKnow() throws {
        let template = try Template("{{severity}}: {{ name }} on {{target}}: {{message}} {{url}}")
        let event: JSON = ["subject": "default/web", "severity": "error", "message": "it {{reason}}"]
        let message = Message(id: "1", events: [event], template: template, base: "https://h")
        #expect(message.text == "error: web on default: it {{reason}} https://h/apps/default/web")
        for (text, words) in [("{{nmae}}", "{{nmae}}"), ("{{name", "not closed")] {
            do {
                _ = try Template(text)
                Issue.record("it was taken: \(text)")
            } catch {
                #expect(error.description.contains(words))
            }
        }
    }

    @Test func longTextsAreCutBetweenCharacters() {
        #expect(shortened("abc", to: 3) == "abc")
        #expect(shortened("abcd", to: 3) == "ab…")
        #expect(shortened("👨‍👩‍👧👨‍👩‍👧", to: 9) == "👨‍👩‍👧…")
    }
}
