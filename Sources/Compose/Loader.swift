internal import Diagnostics
internal import YAML

/// What a project is read with.
package struct LoadOptions: Sendable {
    /// The values of variables; nothing is taken from the process's own environment.
    package var variables: [String: String]
    /// The profiles that are on: a service that names profiles takes part only when one of them is on.
    package var profiles: Set<String>
    /// Where relative bind mounts lie on the nodes.
    package var bindRoot: String
    /// What `~` at the start of a bind mount stands for.
    package var home: String

    package init(
        variables: [String: String] = [:],
        profiles: Set<String> = [],
        bindRoot: String,
        home: String = "/root"
    ) {
        self.variables = variables
        self.profiles = profiles
        self.bindRoot = bindRoot
        self.home = home
    }
}

/// Reads a file of the repository by its path from the root; throws `Invalid` without a place when it cannot.
package typealias FileReader = @Sendable (String) async throws -> [UInt8]

/// Reads a project from one or more Compose files, the later ones laid over the earlier.
/// - Throws: `Invalid` with everything that is wrong, or what the reader throws when the repository cannot be read.
package func loadProject(
    files: [String],
    options: LoadOptions,
    read: @escaping FileReader
) async throws -> Project {
    let loader = Loader(options: options, read: read)
    return try await loader.load(files)
}

/// One reading of a project: the files met on the way, each with the folder its relative paths start from.
final class Loader {
    let options: LoadOptions
    let sink = Fields.Sink()
    private let read: FileReader
    private var baseDirectories: [String: String] = [:]
    private var parsed: [String: Node] = [:]
    /// The variables of files that were included with environment files of their own.
    private var includedVariables: [String: [String: String]] = [:]

    init(options: LoadOptions, read: @escaping FileReader) {
        self.options = options
        self.read = read
    }

    func load(_ files: [String]) async throws -> Project {
        do {
            var project = try await project(files)
            project.warnings = project.warnings.map(redaction.applied(to:))
            return project
        } catch let invalid as Invalid {
            throw Invalid(invalid.diagnostics.map(redaction.applied(to:)))
        }
    }

    private func project(_ files: [String]) async throws -> Project {
        let directory = files.first.map(directoryName) ?? ""
        let named = files.map { (path: $0, place: Place(file: $0)) }
        let root = try await merged(named, directory: directory, including: [])
        try sink.diagnostics.throwIfErrors()
        guard let root else { throw Invalid(at: nil, "no Compose file is named", cure: "name one in 'compose_file'") }
        let project = try await ProjectDecoder(loader: self).decode(Merge.settle(root))
        try sink.diagnostics.throwIfErrors()
        return project
    }

    /// Keeps values that may be secrets out of what the operator is told.
    private var redaction: Redaction { Redaction([options.variables] + includedVariables.values) }

    /// A file's content by its path as written at a place; reports and returns nil when it cannot be had.
    func content(of path: String, at place: Place, what: String) async throws -> (path: String, bytes: [UInt8])? {
        guard let resolved = resolvePath(path, in: base(of: place)) else {
            sink.diagnostics.error(
                at: place,
                "\(what) '\(path)' lies outside the repository",
                cure: "name a file of the repository, relative to this one"
            )
            return nil
        }
        do {
            return (resolved, try await read(resolved))
        } catch let invalid as Invalid {
            for diagnostic in invalid.diagnostics {
                sink.diagnostics.error(at: diagnostic.place ?? place, diagnostic.message, cure: diagnostic.cure)
            }
            return nil
        }
    }

    /// The folder that relative paths written at a place start from.
    func base(of place: Place) -> String { baseDirectories[place.file] ?? directoryName(place.file) }

    // MARK: Files, includes, extensions

    /// Reads files and lays the later ones over the earlier.
    ///
    /// `files`: Each with the place that names it.
    /// `including`: The files that are being read, the outermost first.
    private func merged(
        _ files: [(path: String, place: Place)],
        directory: String,
        including: [String]
    ) async throws -> Node? {
        var result: Node?
        for (file, place) in files {
            if let start = including.firstIndex(of: file) {
                let path = (including[start...] + [file]).joined(separator: " -> ")
                sink.diagnostics.error(
                    at: place,
                    "files include each other: \(path)",
                    cure: "remove one of these 'include'"
                )
                return nil
            }
            baseDirectories[file] = directory
            guard var node = try await document(file, at: place) else { continue }
            node = try await withIncludes(node, including: including + [file])
            node = try await withExtensions(node)
            result = result.map { Merge.merge($0, node) } ?? node
        }
        return result
    }

    private func document(_ file: String, at place: Place) async throws -> Node? {
        if let known = parsed[file] { return known }
        let bytes: [UInt8]
        do {
            bytes = try await read(file)
        } catch let invalid as Invalid {
            for diagnostic in invalid.diagnostics {
                sink.diagnostics.error(at: diagnostic.place ?? place, diagnostic.message, cure: diagnostic.cure)
            }
            return nil
        }
        do throws(Invalid) {
            let node = try parse(bytes, file: file)
            guard node.mapping != nil else {
                if node.isNull {
                    sink.diagnostics.error(
                        at: node.place,
                        "the Compose file is empty",
                        cure: "add 'services:'; to remove a stack set 'enabled: false' in stacks.yml"
                    )
                } else {
                    sink.diagnostics.error(at: node.place, "a Compose file is a mapping, found \(node.kind)")
                }
                return nil
            }
            let interpolation = Interpolation(variables: variables(of: file))
            let interpolated = interpolation.apply(to: node, diagnostics: &sink.diagnostics)
            parsed[file] = interpolated
            return interpolated
        } catch {
            sink.diagnostics.append(contentsOf: error.diagnostics)
            return nil
        }
    }

    private func withIncludes(_ node: Node, including: [String]) async throws -> Node {
        guard var mapping = node.mapping, let include = mapping["include"] else { return node }
        mapping["include"] = nil
        var base: Node?
        for item in include.sequence ?? [include] {
            var paths: [Node] = [item]
            var directory: String?
            var environmentFiles: [Node] = []
            if let fields = item.mapping.map({ Fields($0, at: item.place, context: "include", into: sink) }) {
                paths = fields.node("path").map { $0.sequence ?? [$0] } ?? []
                if paths.isEmpty { fields.error(at: item.place, "include names no file", cure: "add 'path'") }
                directory = fields.string("project_directory")
                environmentFiles = fields.node("env_file").map { $0.sequence ?? [$0] } ?? []
                fields.finish()
            }
            let files = paths.compactMap { path -> (path: String, place: Place)? in
                guard let text = path.scalar?.text, let file = resolvePath(text, in: self.base(of: path.place)) else {
                    sink.diagnostics.error(at: path.place, "include names a file of the repository, found \(path.kind)")
                    return nil
                }
                return (file, path.place)
            }
            let folder = directory.flatMap { resolvePath($0, in: self.base(of: item.place)) }
            let own = folder ?? files.first.map { directoryName($0.path) } ?? ""
            try await setVariables(of: files.map(\.path), from: environmentFiles, includedBy: item.place.file)
            guard let included = try await merged(files, directory: own, including: including) else { continue }
            base = base.map { Merge.merge($0, included) } ?? included
        }
        let own = Node(.mapping(mapping), at: node.place)
        return base.map { Merge.merge($0, own) } ?? own
    }

    private func variables(of file: String) -> [String: String] { includedVariables[file] ?? options.variables }

    /// Gives included files the variables of their environment files; what the including project sets wins
    /// (specification, section "include").
    private func setVariables(of files: [String], from environmentFiles: [Node], includedBy parent: String) async throws
    {
        let inherited = variables(of: parent)
        var variables = inherited
        for node in environmentFiles {
            guard let path = node.scalar?.text else {
                sink.diagnostics.error(at: node.place, "'env_file' of include is a path, found \(node.kind)")
                continue
            }
            guard let file = try await content(of: path, at: node.place, what: "the environment file") else { continue }
            do throws(Invalid) {
                variables.merge(try parseDotEnv(file.bytes, file: file.path, variables: variables)) { _, new in new }
            } catch {
                sink.diagnostics.append(contentsOf: error.diagnostics)
            }
        }
        variables.merge(inherited) { _, outer in outer }
        for file in files where variables != self.variables(of: file) {
            includedVariables[file] = variables
            parsed[file] = nil
        }
    }

    private func withExtensions(_ node: Node) async throws -> Node {
        guard var root = node.mapping, let services = root["services"]?.mapping else { return node }
        guard services.entries.contains(where: { $0.value.mapping?["extends"] != nil }) else { return node }
        var extended = services
        for entry in services.entries {
            extended[entry.key] = try await extending(entry.value, named: entry.key, in: node, chain: [])
        }
        if let place = root["services"]?.place { root["services"] = Node(.mapping(extended), at: place) }
        return Node(.mapping(root), at: node.place)
    }

    /// A service with what it extends laid under it.
    private func extending(_ service: Node, named name: String, in file: Node, chain: [String]) async throws -> Node {
        guard var mapping = service.mapping, let extends = mapping["extends"] else { return service }
        mapping["extends"] = nil
        let own = Node(.mapping(mapping), at: service.place)
        var target = extends.scalar?.text ?? ""
        var source = file
        var path = service.place.file
        if let extendsMapping = extends.mapping {
            let fields = Fields(extendsMapping, at: extends.place, context: "extends", into: sink)
            target = fields.requiredString("service")
            if let other = fields.string("file"), let place = fields.node("file")?.place {
                guard let resolved = resolvePath(other, in: base(of: place)) else {
                    sink.diagnostics.error(at: place, "extends file '\(other)' lies outside the repository")
                    return own
                }
                if baseDirectories[resolved] == nil { baseDirectories[resolved] = directoryName(resolved) }
                includedVariables[resolved] = includedVariables[resolved] ?? includedVariables[path]
                guard let document = try await document(resolved, at: place) else { return own }
                source = document
                path = resolved
            }
            fields.finish()
        }
        let link = "\(path):\(target)"
        let start = chain.isEmpty ? ["\(service.place.file):\(name)"] : chain
        guard !start.contains(link) else {
            let circle = (start + [link]).joined(separator: " -> ")
            sink.diagnostics.error(at: extends.place, "services extend each other: \(circle)", cure: "break the circle")
            return own
        }
        let services = source.mapping?["services"]?.mapping
        guard let parent = services?[target] else {
            sink.diagnostics.error(
                at: extends.place,
                "'\(name)' extends the service '\(target)', which \(path) does not have",
                cure: suggestion(for: target, among: services?.keys ?? [])
            )
            return own
        }
        var base = try await extending(parent, named: target, in: source, chain: start + [link])
        // What cannot be shared is not inherited (specification, section "extends").
        if var inherited = base.mapping {
            inherited["depends_on"] = nil
            base.content = .mapping(inherited)
        }
        return Merge.merge(base, own, path: ["services", name])
    }
}
