import TestSupport
import Testing

/// The conventions of the code, held against the source text.
@Suite struct ConventionTests {
    /// What each module may import besides the toolchain, and so which way the arrows point.
    private static let modules: [String: Set<String>] = [
        "Diagnostics": [], "Threads": [], "JSON": ["CJansson"], "Crypto": ["CCrypto"], "SQLite": ["CSQLite"],
        "YAML": ["CYAML", "Diagnostics"], "HTTP": ["CCurl", "Threads"], "Subprocess": ["CSpawn", "Threads"],
        "Arguments": ["Diagnostics"], "Delivery": ["Diagnostics"], "Compose": ["Diagnostics", "YAML"],
        "Configuration": ["Diagnostics", "YAML"],
        "Repository": ["Crypto", "Delivery", "Diagnostics", "Files", "Subprocess", "Threads"],
        "Journal": ["Crypto", "Delivery", "JSON", "SQLite", "Threads"],
        "Swarm": ["Compose", "Crypto", "Delivery", "Diagnostics", "HTTP", "JSON", "YAML"],
        "Server": ["Crypto", "Delivery", "Diagnostics", "Documents", "HTTPServer", "JSON", "Journal"],
        "Operations": ["Crypto", "Delivery", "Documents", "HTTP", "JSON", "Journal", "Mail"],
        "Documents": ["Delivery", "JSON", "Journal"], "Mail": ["CCurl", "Threads"],
        "Systemd": ["CSystemd", "Threads"],
        "Files": ["Threads"], "HTTPServer": ["CMicrohttpd"],
        "Kubernetes": ["Crypto", "Diagnostics", "JSON"],
        "Quadlet": ["Crypto", "Delivery", "Diagnostics", "Files", "JSON", "Subprocess", "Systemd", "YAML"],
        "Controller": [
            "CSpawn", "Configuration", "Crypto", "Delivery", "Diagnostics", "Documents", "Files", "HTTP", "HTTPServer",
            "JSON", "Journal", "Mail", "Operations", "Quadlet", "Repository", "Server", "Swarm", "Systemd", "Threads",
        ],
        "hecate": [
            "Arguments", "CSpawn", "Configuration", "Controller", "Crypto", "Delivery", "Diagnostics", "Documents",
            "Files", "HTTP", "JSON", "Journal", "Kubernetes", "Operations", "Quadlet", "Repository", "Server",
            "Subprocess", "Swarm", "Systemd", "Threads",
        ],
    ]
    private static let toolchain: Set<String> = ["Glibc", "Synchronization"]

    private func sources() async throws -> [(module: String, path: String, lines: [Substring])] {
        let list = try await shell(["find", "\(checkout)/Sources", "-name", "*.swift"])
        return list.split(separator: "\n").map { path in
            let module = path.dropFirst(checkout.count + 9).prefix { $0 != "/" }
            let text = fileText(String(path)) ?? ""
            return (String(module), String(path), text.split(separator: "\n", omittingEmptySubsequences: false))
        }
    }

    @Test func everyModuleImportsOnlyWhatItsPlaceAllows() async throws {
        let files = try await sources()
        #expect(files.count > 40)
        for file in files {
            let allowed = try #require(Self.modules[file.module], "\(file.module) is not in the table").union(
                Self.toolchain
            )
            for line in file.lines where line.hasPrefix("import ") || line.contains(" import ") && !line.contains("//")
            {
                let name = line.split(separator: " ").last.map(String.init) ?? ""
                guard line.hasPrefix("import") || line.hasPrefix("internal") || line.hasPrefix("package") else {
                    continue
                }
                #expect(
                    allowed.contains(name),
                    "\(file.path) imports \(name); \(file.module) may import \(allowed.sorted())"
                )
            }
        }
    }

    @Test func theDomainTouchesNothingOutsideItself() async throws {
        for file in try await sources() where file.module == "Delivery" {
            #expect(!file.lines.contains { $0.contains("import Glibc") }, "\(file.path) reaches for the system")
        }
    }

    @Test func filesStayReadable() async throws {
        for file in try await sources() {
            #expect(file.lines.count <= 500, "\(file.path) has \(file.lines.count) lines; split it")
        }
    }

    @Test func nothingCrashesWaitingForInput() async throws {
        for file in try await sources() {
            for (number, line) in file.lines.enumerated() where !line.drop(while: { $0 == " " }).hasPrefix("//") {
                for word in ["try!", "as!", "fatalError(", "@unchecked Sendable"] {
                    #expect(!line.contains(word), "\(file.path):\(number + 1) has \(word)")
                }
                if line.contains("nonisolated(unsafe)") {
                    let before = file.lines[max(0, number - 2)..<number]
                    #expect(before.contains { $0.contains("SAFETY:") }, "\(file.path):\(number + 1) needs its proof")
                }
            }
        }
    }
}
