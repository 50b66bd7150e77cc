package import Delivery
internal import Documents
internal import HTTP
internal import JSON
internal import Mail

/// Hands messages to receivers, one attempt at a time.
package actor Dispatcher {
    private let smtp = SMTPClient()
    /// One for each channel: a receiver that hangs holds up nobody else.
    private var clients: [String: Client] = [:]

    package init() {}

    /// Sends a message that says it is a test, and nothing else.
    /// - Returns: What went wrong, in words; nil when the receiver took it.
    package func test(_ channel: Channel, by author: String, base: String?, at now: Timestamp) async -> String? {
        if case .commitStatus = channel.kind { return "a commit's state cannot be tried without a commit" }
        let event: JSON = [
            "number": 0, "time": .string(now.text), "severity": "info", "reason": .string(Reason.requested.rawValue),
            "subject": "hecate", "commit": "",
            "message": .string("a test of '\(channel.name)', asked for by \(author)"),
            "details": .array([]), "correlation": "",
        ]
        let id = "test-\(Int64(now.seconds * 1000))"
        let message = Message(id: id, events: [event], template: channel.template, base: base)
        do { try await dispatch(channel, message, at: now, since: now) } catch { return error.description }
        return nil
    }

    /// Sends a message once.
    ///
    /// `since`: When the message came about.
    func dispatch(_ channel: Channel, _ message: Message, at now: Timestamp, since: Timestamp) async throws(Refusal) {
        if case .mail(var mail) = channel.kind {
            mail.message = message.mailMessage(from: mail.from, to: mail.to, date: since)
            do { try await smtp.send(mail) } catch let error as MailError {
                throw Refusal(description: error.description, isFinal: error.isFinal)
            } catch {
                throw Refusal(description: "\(error)", isFinal: false)
            }
            return
        }
        var refusal: Refusal?
        for request in channel.requests(for: message, now: now) {
            // What is refused keeps nothing else from being sent; what may yet succeed is what counts.
            do { try await send(request, for: channel.name) } catch {
                if refusal?.isFinal ?? true { refusal = error }
            }
        }
        if let refusal { throw refusal }
    }

    private func send(_ channelRequest: ChannelRequest, for channel: String) async throws(Refusal) {
        guard let (endpoint, path) = Endpoint.parts(of: channelRequest.url) else {
            throw Refusal(description: "its address is no http:// or https:// address", isFinal: true)
        }
        var request = channelRequest.request
        request.path = path
        let client = clients[channel] ?? Client(endpoint: endpoint, width: 1, bodyLimit: 1024 * 1024)
        clients[channel] = client
        let response: Response
        do { response = try await client.send(request) } catch {
            throw Refusal(description: "\(error)", isFinal: false)
        }
        guard !(200..<300).contains(response.status) else { return }
        let body = String(decoding: response.body.prefix(200), as: UTF8.self).split(whereSeparator: \.isNewline)
        // GitLab takes no state twice; it has it already.
        if response.status == 400, body.first?.contains("Cannot transition status") ?? false { return }
        throw Refusal(
            description: "it answered \(response.status)\(body.first.map { ": \($0)" } ?? "")",
            isFinal: (300..<500).contains(response.status) && ![408, 409, 425, 429].contains(response.status),
            wait: response.retryAfter
        )
    }
}

/// Why a receiver did not take something.
struct Refusal: Error {
    var description: String
    /// Whether it never will.
    var isFinal: Bool
    /// How long it asks to be left alone.
    var wait: Duration?
}
