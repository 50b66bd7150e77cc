internal import CYAML
package import Diagnostics

/// What a document may cost to read.
///
/// A file past a limit is refused by name instead of being half read.
package struct Limits: Sendable {
    /// Bytes of the file.
    package var size = 4 * 1024 * 1024
    /// How deep mappings and lists may nest.
    package var depth = 64
    /// Nodes after every alias has been replaced by what it stands for.
    package var nodes = 200_000

    package init() {}
}

/// Reads one YAML document.
///
/// Aliases are replaced by what they name and merge keys (`<<`) are applied, both counted against the limits, so that
/// a few lines cannot grow into gigabytes.
/// `bytes`: The file's content, UTF-8.
/// `file`: The name that places in diagnostics carry.
/// - Returns: The document, or a null scalar for an empty file.
/// - Throws: `Invalid` with the line and column of the first thing that is not YAML.
package func parse(_ bytes: [UInt8], file: String, limits: Limits = Limits()) throws(Invalid) -> Node {
    guard bytes.count <= limits.size else {
        throw Invalid(
            at: Place(file: file),
            "the file has \(bytes.count) bytes, more than the \(limits.size) that are read",
            cure: "split it, or check that it is the file you meant"
        )
    }
    var parser = yaml_parser_t()
    guard yaml_parser_initialize(&parser) != 0 else {
        throw Invalid(at: Place(file: file), "the YAML parser could not be started: out of memory")
    }
    defer { yaml_parser_delete(&parser) }
    let result: Result<Node, Invalid> = bytes.withUnsafeBufferPointer { buffer in
        yaml_parser_set_input_string(&parser, buffer.baseAddress, buffer.count)
        return withUnsafeMutablePointer(to: &parser) { pointer in
            var reader = Reader(parser: pointer, file: file, limits: limits)
            return Result { () throws(Invalid) in try reader.document() }
        }
    }
    return try result.get()
}

/// Turns libyaml's events into nodes.
private struct Reader {
    let parser: UnsafeMutablePointer<yaml_parser_t>
    let file: String
    let limits: Limits
    var anchors: [String: (node: Node, count: Int)] = [:]
    var count = 0

    enum Event {
        case scalar(Scalar, anchor: String?, tag: String?)
        case sequenceStart(anchor: String?, tag: String?)
        case mappingStart(anchor: String?, tag: String?)
        case alias(String)
        case sequenceEnd, mappingEnd, documentStart, documentEnd, streamStart, streamEnd, none
    }

    mutating func document() throws(Invalid) -> Node {
        _ = try next()
        let (start, _) = try next()
        if case .streamEnd = start {
            return Node(.scalar(Scalar(text: "", isPlain: true)), at: Place(file: file, line: 1, column: 1))
        }
        let (first, firstPlace) = try next()
        let root = try node(from: first, at: firstPlace, depth: 0)
        _ = try next()
        let (end, endPlace) = try next()
        guard case .streamEnd = end else {
            throw Invalid(at: endPlace, "a second document begins here", cure: "keep one document in a file")
        }
        return root
    }

    private mutating func node(from event: Event, at place: Place, depth: Int) throws(Invalid) -> Node {
        guard depth <= limits.depth else {
            throw Invalid(at: place, "nested more than \(limits.depth) levels deep", cure: "flatten the structure")
        }
        try countNodes(1, at: place)
        let before = count
        switch event {
        case .scalar(let scalar, let anchor, let tag):
            let node = Node(.scalar(scalar), at: place, tag: tag)
            remember(node, as: anchor, since: before)
            return node
        case .alias(let name):
            guard let target = anchors[name] else {
                throw Invalid(at: place, "unknown alias '*\(name)'", cure: "define '&\(name)' before it is used")
            }
            try countNodes(target.count, at: place)
            return target.node
        case .sequenceStart(let anchor, let tag):
            var items: [Node] = []
            while true {
                let (item, itemPlace) = try next()
                if case .sequenceEnd = item { break }
                items.append(try node(from: item, at: itemPlace, depth: depth + 1))
            }
            let node = Node(.sequence(items), at: place, tag: tag)
            remember(node, as: anchor, since: before)
            return node
        case .mappingStart(let anchor, let tag):
            let node = Node(.mapping(try mapping(depth: depth)), at: place, tag: tag)
            remember(node, as: anchor, since: before)
            return node
        default:
            throw Invalid(at: place, "expected a value")
        }
    }

    private mutating func mapping(depth: Int) throws(Invalid) -> Mapping {
        var own: [Mapping.Entry] = []
        var merged: [Mapping.Entry] = []
        var seen: [String: Place] = [:]
        while true {
            let (event, place) = try next()
            if case .mappingEnd = event { break }
            let key = try node(from: event, at: place, depth: depth + 1)
            let (valueEvent, valuePlace) = try next()
            let value = try node(from: valueEvent, at: valuePlace, depth: depth + 1)
            guard let scalar = key.scalar else {
                throw Invalid(at: place, "a key must be a word, found \(key.kind)")
            }
            if scalar.text == "<<", scalar.isPlain {
                merged += try mergeSources(value)
                continue
            }
            if let first = seen[scalar.text] {
                throw Invalid(
                    at: place,
                    "key '\(scalar.text)' stands twice, first at line \(first.line)",
                    cure: "remove one of them"
                )
            }
            seen[scalar.text] = place
            own.append(Mapping.Entry(key: scalar.text, keyPlace: place, value: value))
        }
        for entry in merged where seen[entry.key] == nil {
            seen[entry.key] = entry.keyPlace
            own.append(entry)
        }
        return Mapping(own)
    }

    /// What `<<` brings in; of several mappings the earlier wins.
    private func mergeSources(_ value: Node) throws(Invalid) -> [Mapping.Entry] {
        switch value.content {
        case .mapping(let mapping):
            return mapping.entries
        case .sequence(let items):
            var entries: [Mapping.Entry] = []
            for item in items {
                guard let mapping = item.mapping else {
                    throw Invalid(at: item.place, "'<<' merges mappings, found \(item.kind)")
                }
                entries += mapping.entries
            }
            return entries
        case .scalar:
            throw Invalid(at: value.place, "'<<' merges mappings, found \(value.kind)")
        }
    }

    private mutating func countNodes(_ more: Int, at place: Place) throws(Invalid) {
        count += more
        guard count <= limits.nodes else {
            throw Invalid(
                at: place,
                "the document grows past \(limits.nodes) values once its aliases are expanded",
                cure: "use fewer or smaller anchors"
            )
        }
    }

    private mutating func remember(_ node: Node, as anchor: String?, since before: Int) {
        if let anchor { anchors[anchor] = (node, count - before + 1) }
    }

    private mutating func next() throws(Invalid) -> (Event, Place) {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) != 0 else { throw syntaxError() }
        defer { yaml_event_delete(&event) }
        let place = place(event.start_mark)
        switch event.type {
        case YAML_SCALAR_EVENT:
            let data = event.data.scalar
            let bytes = UnsafeBufferPointer(start: data.value, count: data.length)
            let plain = data.style == YAML_PLAIN_SCALAR_STYLE
            let tag = text(data.tag)
            // An explicit !!str makes a plain scalar a string; !!int and friends say what the text says already.
            let scalar = Scalar(
                text: String(decoding: bytes, as: UTF8.self),
                isPlain: plain && tag != "tag:yaml.org,2002:str" && tag != "!"
            )
            return (.scalar(scalar, anchor: text(data.anchor), tag: localTag(tag)), place)
        case YAML_SEQUENCE_START_EVENT:
            let data = event.data.sequence_start
            return (.sequenceStart(anchor: text(data.anchor), tag: localTag(text(data.tag))), place)
        case YAML_MAPPING_START_EVENT:
            let data = event.data.mapping_start
            return (.mappingStart(anchor: text(data.anchor), tag: localTag(text(data.tag))), place)
        case YAML_ALIAS_EVENT: return (.alias(text(event.data.alias.anchor) ?? ""), place)
        case YAML_SEQUENCE_END_EVENT: return (.sequenceEnd, place)
        case YAML_MAPPING_END_EVENT: return (.mappingEnd, place)
        case YAML_DOCUMENT_START_EVENT: return (.documentStart, place)
        case YAML_DOCUMENT_END_EVENT: return (.documentEnd, place)
        case YAML_STREAM_START_EVENT: return (.streamStart, place)
        case YAML_STREAM_END_EVENT: return (.streamEnd, place)
        default: return (.none, place)
        }
    }

    private func localTag(_ tag: String?) -> String? {
        guard let tag, tag.hasPrefix("!"), tag.count > 1 else { return nil }
        return tag
    }

    private func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        pointer.map { String(decodingCString: $0, as: UTF8.self) }
    }

    private func place(_ mark: yaml_mark_t) -> Place {
        Place(file: file, line: Int(mark.line) + 1, column: Int(mark.column) + 1)
    }

    private func syntaxError() -> Invalid {
        let problem = parser.pointee.problem.map { String(cString: $0) } ?? "unreadable"
        let context = parser.pointee.context.map { " \(String(cString: $0))" } ?? ""
        guard parser.pointee.error != YAML_READER_ERROR else {
            let before = Int(parser.pointee.problem_offset)
            return Invalid(at: Place(file: file), "not text at byte \(before): \(problem)", cure: "save it as UTF-8")
        }
        var mark = place(parser.pointee.problem_mark)
        if parser.pointee.problem_mark.index == 0 { mark = place(parser.pointee.context_mark) }
        return Invalid(at: mark, "not valid YAML: \(problem)\(context)")
    }
}
