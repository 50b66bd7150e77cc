import JSON
import TestSupport
import Testing

/// The conventions of the code, held against the source text.
@Suite struct ConventionTests {
    /// What a module may import besides what the package declares for it.
    private static let toolchain: Set<String> = ["Glibc", "Synchronization"]

    /// What Package.swift declares: the direct dependencies of each of its targets.
    ///
    /// The toolchain's own check (`--explicit-target-dependency-import-check`) lets indirect ones pass.
    private func declaredDependencies() async throws -> [String: Set<String>] {
        let scratch = try Scratch()
        let text = try await shell([
            "swift", "package", "--package-path", checkout, "--scratch-path", scratch.path, "dump-package",
        ])
        var result: [String: Set<String>] = [:]
        for target in try #require(try JSON(parsing: text)["targets"]?.array) {
            let names = (target["dependencies"]?.array ?? []).compactMap { dependency in
                (dependency["byName"] ?? dependency["target"])?.array?.first?.string
            }
            result[try #require(target["name"]?.string)] = Set(names)
        }
        return result
    }

    private func sources(
        in folders: [String] = ["Sources"]
    ) async throws -> [(module: String, path: String, lines: [Substring])] {
        let list = try await shell(["find"] + folders.map { "\(checkout)/\($0)" } + ["-name", "*.swift"])
        return list.split(separator: "\n").map { path in
            let module = path.dropFirst(checkout.count + 9).prefix { $0 != "/" }
            let text = fileText(String(path)) ?? ""
            return (String(module), String(path), text.split(separator: "\n", omittingEmptySubsequences: false))
        }
    }

    @Test func everyModuleImportsOnlyWhatThePackageDeclaresForIt() async throws {
        let declared = try await declaredDependencies()
        let files = try await sources()
        #expect(files.count > 40)
        for file in files {
            let allowed = try #require(declared[file.module], "\(file.module) is no target").union(Self.toolchain)
            for line in file.lines {
                let words = line.split(separator: " ").filter {
                    !["internal", "package", "public", "private"].contains($0)
                }
                guard words.count == 2, words[0] == "import" else { continue }
                #expect(
                    allowed.contains(String(words[1])),
                    "\(file.path) imports \(words[1]); \(file.module) may import \(allowed.sorted())"
                )
            }
        }
    }

    @Test func theDomainTouchesNothingOutsideItself() async throws {
        for file in try await sources() where file.module == "Delivery" {
            #expect(!file.lines.contains { $0.contains("import Glibc") }, "\(file.path) reaches for the system")
        }
    }

    /// Whoever reads the code knows the field's words, and need learn no others.
    @Test func namesAreTheFieldsOwn() async throws {
        let pictures = [
            "House", "Room", "Desk", "Bell", "Seat", "Teller", "Told", "Companion", "Postman", "Letter", "Surroundings",
        ]
        let kinds = ["struct", "class", "enum", "actor", "protocol", "extension", "typealias"]
        for file in try await sources(in: ["Sources", "Tests"]) {
            for (number, line) in file.lines.enumerated() {
                let words = line.split { !$0.isLetter && $0 != "_" }.map(String.init)
                for (kind, name) in zip(words, words.dropFirst()) where kinds.contains(kind) {
                    #expect(!pictures.contains(name), "\(file.path):\(number + 1) names a type \(name)")
                }
            }
        }
    }

    /// Only who has just asked the target makes what stands for its answer.
    @Test func onlyPlatformsGiveOwnership() async throws {
        for file in try await sources() where !file.path.hasSuffix("Platform+Ownership.swift") {
            #expect(!file.lines.contains { $0.contains("Ownership(") }, "\(file.path) makes an Ownership of its own")
        }
    }

    /// What a message says to run can be run.
    @Test func messagesNameCommandsThatThereAre() async throws {
        let files = try await sources()
        let commands = Set(
            files.filter { $0.module == "hecate" }.flatMap(\.lines).compactMap { line -> Substring? in
                guard let name = line.firstRange(of: "Subcommand(\"") else { return nil }
                return line[name.upperBound...].prefix { $0 != "\"" }
            }
        )
        .union(commandsOnTheirOwnLine(files))
        let first = Set(commands.map { $0.prefix { $0 != " " } })
        #expect(first.contains("run") && first.contains("suspend"), "\(first)")
        for file in files {
            for (number, line) in file.lines.enumerated() {
                for range in line.ranges(of: "'hecate ") {
                    let word = line[range.upperBound...].prefix { $0.isLetter || $0 == "-" }
                    guard !word.isEmpty else { continue }
                    #expect(first.contains(word), "\(file.path):\(number + 1) names 'hecate \(word)'")
                }
            }
        }
    }

    private func commandsOnTheirOwnLine(_ files: [(module: String, path: String, lines: [Substring])]) -> Set<Substring>
    {
        var result: Set<Substring> = []
        for file in files where file.module == "hecate" {
            for (line, next) in zip(file.lines, file.lines.dropFirst()) where line.hasSuffix("Subcommand(") {
                let name = next.drop { $0 == " " }
                if name.hasPrefix("\"") { result.insert(name.dropFirst().prefix { $0 != "\"" }) }
            }
        }
        return result
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
