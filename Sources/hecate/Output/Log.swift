internal import Documents
internal import Systemd
internal import Delivery
internal import JSON

/// Writes events as they happen, one to a line.
struct Log: Sendable {
    /// Text for people, JSON for collectors, or entries of the machine's journal with fields to filter by.
    enum Form: Sendable { case text, json, journal }

    let form: Form
    let palette: Palette

    /// - Parameter choice: `text` or `json`; otherwise text on a terminal, the journal where standard error leads into it,
    ///   and JSON elsewhere.
    init(_ choice: String?) {
        switch choice {
        case "json": form = .json
        case "text": form = .text
        default:
            let isJournal = SystemJournal.isStandardError(environmentVariable("JOURNAL_STREAM"))
            form = isJournal ? .journal : Terminal.errorIsTerminal ? .text : .json
        }
        palette = Palette(nil, isTerminal: Terminal.errorIsTerminal)
    }

    func write(_ event: Event) {
        switch form {
        case .json: Terminal.complain(document(event).text())
        case .text: Terminal.complain(line(event))
        case .journal: enter(event)
        }
    }

    /// `journalctl HECATE_SUBJECT=node/web.container HECATE_REASON=RolledBack` finds what it is about.
    private func enter(_ event: Event) {
        let priority: SystemJournal.Priority =
            switch event.severity {
            case .info: .info
            case .warning: .warning
            case .error: .error
            }
        let text = ["\(event.subject) \(event.reason.rawValue): \(event.message)"] + event.details.map { "  \($0)" }
        var fields = ["HECATE_SUBJECT": event.subject, "HECATE_REASON": event.reason.rawValue]
        if !event.commit.isEmpty { fields["HECATE_COMMIT"] = event.commit }
        if !event.correlation.isEmpty { fields["HECATE_CORRELATION"] = event.correlation }
        SystemJournal.write(text.joined(separator: "\n"), priority, fields)
    }

    func line(_ event: Event) -> String {
        let mark =
            switch event.severity {
            case .info: palette.green("•")
            case .warning: palette.yellow("!")
            case .error: palette.red("✗")
            }
        let time = event.time.text.dropFirst(11).dropLast(1)
        let commit = event.commit.isEmpty ? "" : palette.dim(" (\(event.commit.prefix(8)))")
        var text =
            "\(palette.dim(String(time))) \(mark) \(palette.bold(event.subject)) \(event.reason.rawValue): \(event.message)\(commit)"
        for detail in event.details { text += "\n    \(detail)" }
        return text
    }
}
