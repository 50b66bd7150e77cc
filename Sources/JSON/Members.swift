extension JSON {
    /// The members of an object, sorted by name.
    ///
    /// Objects are small and are read, compared and written far more often than they are built: a sorted list is all three
    /// without hashing.
    package struct Members: Sendable {
        private var items: [Element]

        package init() { items = [] }
    }
}

extension JSON.Members: RandomAccessCollection {
    package typealias Element = (key: String, value: JSON)

    package var startIndex: Int { items.startIndex }
    package var endIndex: Int { items.endIndex }
    package subscript(position: Int) -> Element { items[position] }
}

extension JSON.Members {
    /// Of members of one name the last one counts.
    package init(_ members: some Sequence<Element>) {
        items = Array(members)
        let isSorted = zip(items, items.dropFirst()).allSatisfy { $0.key < $1.key }
        guard !isSorted else { return }
        // Members of one name stay in the order in which they came.
        items.sort { $0.key < $1.key }
        var last = 0
        for index in items.indices.dropFirst() {
            if items[index].key != items[last].key { last += 1 }
            items.swapAt(last, index)
        }
        items.removeSubrange((last + 1)...)
    }

    /// The member of a name; setting nil removes it.
    package subscript(key: String) -> JSON? {
        get {
            let index = place(of: key)
            guard holds(key, at: index) else { return nil }
            return items[index].value
        }
        set {
            let index = place(of: key)
            switch (holds(key, at: index), newValue) {
            case (true, let value?): items[index].value = value
            case (true, nil): items.remove(at: index)
            case (false, let value?): items.insert((key, value), at: index)
            case (false, nil): break
            }
        }
    }

    /// Where a member of this name is or would be.
    private func place(of key: String) -> Int {
        var range = items.indices
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            if items[middle].key < key {
                range = middle + 1..<range.upperBound
            } else {
                range = range.lowerBound..<middle
            }
        }
        return range.lowerBound
    }

    private func holds(_ key: String, at index: Int) -> Bool { index < items.count && items[index].key == key }

    /// The names, sorted.
    package var keys: [String] { items.map(\.key) }

    package func mapValues(_ transform: (JSON) throws -> JSON) rethrows -> JSON.Members {
        var result = self
        for index in items.indices { result.items[index].value = try transform(items[index].value) }
        return result
    }

    package func compactMapValues<Value>(_ transform: (JSON) throws -> Value?) rethrows -> [String: Value] {
        var result: [String: Value] = [:]
        for (key, value) in items { result[key] = try transform(value) }
        return result
    }

    package func filter(_ isIncluded: (Element) throws -> Bool) rethrows -> JSON.Members {
        var result = JSON.Members()
        result.items = try items.filter(isIncluded)
        return result
    }

    /// The members that say something.
    package var compacted: JSON.Members { filter { !$0.value.isEmpty } }

    /// These members and others, which take the place of those of the same name.
    package func merging(_ others: JSON.Members) -> JSON.Members {
        others.reduce(into: self) { $0[$1.key] = $1.value }
    }
}

extension JSON.Members: Hashable {
    package static func == (left: Self, right: Self) -> Bool {
        left.items.elementsEqual(right.items) { $0.key == $1.key && $0.value == $1.value }
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(count)
        for (key, value) in items {
            hasher.combine(key)
            hasher.combine(value)
        }
    }
}

extension JSON.Members: ExpressibleByDictionaryLiteral {
    package init(dictionaryLiteral elements: (String, JSON)...) { self.init(elements.lazy.map { ($0, $1) }) }
}
