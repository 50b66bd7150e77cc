internal import Delivery
internal import JSON

/// Writes events as they happen, one to a line.
struct Log: Sendable {
    /// Text for people, or JSON for collectors.
    enum Form: Sendable { case text, json }

    let form: Form
    let palette: Palette

    /// - Parameter choice: `text` or `json`; otherwise text on a terminal and JSON elsewhere.
    init(_ choice: String?) {
        switch choice {
        case "json": form = .json
        case "text": form = .text
        default: form = Terminal.errorIsTerminal ? .text : .json
        }
        palette = Palette(nil, isTerminal: Terminal.errorIsTerminal)
    }

    func write(_ event: Event) {
        switch form {
        case .json: Terminal.complain(document(event).text())
        case .text: Terminal.complain(line(event))
        }
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
