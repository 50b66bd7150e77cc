package import Diagnostics

/// Reads an environment file as the Compose Specification describes it: `KEY=VALUE` lines, comments, `export`, single
/// quotes literal, double quotes with escapes and variables, values over several lines in quotes.
///
/// A bare `$NAME` that nobody defines is kept, because passwords contain dollar signs; `${NAME}` becomes empty.
/// `bytes`: The file's content, UTF-8 with or without a byte order mark.
/// `variables`: What values may refer to besides the lines above them.
/// - Returns: The pairs in the order of the file, the last of equal names winning; a name without `=` takes its value
/// from `variables` and is left out when it has none there.
package func parseDotEnv(
    _ bytes: [UInt8],
    file: String,
    variables: [String: String] = [:]
) throws(Invalid) -> [String: String] {
    var parser = DotEnvParser(text: String(decoding: bytes, as: UTF8.self), file: file, variables: variables)
    return try parser.parse()
}

private struct DotEnvParser {
    var characters: [Character]
    var position = 0
    var line = 1
    let file: String
    var variables: [String: String]
    var result: [String: String] = [:]

    init(text: String, file: String, variables: [String: String]) {
        characters = Array(text.replacing("\r\n", with: "\n"))
        if characters.first == "\u{FEFF}" { characters.removeFirst() }
        self.file = file
        self.variables = variables
    }

    private var current: Character? { position < characters.count ? characters[position] : nil }
    private var place: Place { Place(file: file, line: line, column: 1) }

    mutating func parse() throws(Invalid) -> [String: String] {
        while skipToStatement() {
            let start = place
            var key = takeUntil { $0 == "=" || $0 == "\n" || $0 == ":" }
            if key.hasPrefix("export"), key.dropFirst(6).first?.isWhitespace == true { key = String(key.dropFirst(6)) }
            key = trimmed(key)
            guard !key.isEmpty, key.allSatisfy({ $0.isLetter || $0.isNumber || "_.-[]".contains($0) }) else {
                // The line may be the rest of a secret, so it is not shown.
                throw Invalid(
                    at: start,
                    "the line begins with no variable's name",
                    cure: "write NAME=value, and put a value of several lines into quotes"
                )
            }
            guard current == "=" || current == ":" else {
                if let inherited = variables[key] { result[key] = inherited }
                continue
            }
            position += 1
            skipBlanks()
            let value = try value(of: key, at: start)
            result[key] = value
            variables[key] = value
        }
        return result
    }

    private mutating func value(of key: String, at start: Place) throws(Invalid) -> String {
        if current == "'" || current == "\"" { return try quoted(key, at: start) }
        let raw = takeUntil { $0 == "\n" }
        // A comment begins at a '#' that follows a blank; one inside a word belongs to the word.
        var value = ""
        for (index, character) in raw.enumerated() {
            if character == "#", index == 0 || value.last?.isWhitespace == true { break }
            value.append(character)
        }
        return try expanded(trimmed(value), at: start)
    }

    private mutating func quoted(_ key: String, at start: Place) throws(Invalid) -> String {
        let quote = characters[position]
        position += 1
        var value = ""
        while let character = current {
            if character == "\n" { line += 1 }
            position += 1
            if character == quote {
                _ = takeUntil { $0 == "\n" }
                return quote == "\"" ? try expanded(value, at: start) : value
            }
            if character == "\\", let next = current {
                guard quote == "'" else {
                    position += 1
                    switch next {
                    case "n": value.append("\n")
                    case "r": value.append("\r")
                    case "t": value.append("\t")
                    case "$": value.append("$$")
                    case "\"", "\\": value.append(next)
                    default: value += "\\\(next)"
                    }
                    continue
                }
                if next == "'" {
                    value.append(next)
                    position += 1
                    continue
                }
            }
            value.append(character)
        }
        throw Invalid(at: start, "the value of '\(key)' opens a quote that is never closed", cure: "add \(quote)")
    }

    private func expanded(_ text: String, at place: Place) throws(Invalid) -> String {
        var interpolation = Interpolation(variables: variables)
        interpolation.keepsUnknownBareNames = true
        do {
            return try interpolation.substitute(text).text
        } catch {
            throw Invalid(at: place, error.message, cure: error.cure)
        }
    }

    /// Moves to the next line that says something; false at the end of the file.
    private mutating func skipToStatement() -> Bool {
        while let character = current {
            if character == "#" {
                _ = takeUntil { $0 == "\n" }
            } else if character == "\n" {
                line += 1
                position += 1
            } else if character.isWhitespace {
                position += 1
            } else {
                return true
            }
        }
        return false
    }

    private mutating func skipBlanks() {
        while let character = current, character != "\n", character.isWhitespace { position += 1 }
    }

    private mutating func takeUntil(_ isEnd: (Character) -> Bool) -> String {
        let start = position
        while let character = current, !isEnd(character) { position += 1 }
        return String(characters[start..<position])
    }
}

/// A text without the white space around it.
package func trimmed(_ text: some StringProtocol) -> String {
    var slice = Substring(text)
    while let first = slice.first, first.isWhitespace { slice.removeFirst() }
    while let last = slice.last, last.isWhitespace { slice.removeLast() }
    return String(slice)
}
