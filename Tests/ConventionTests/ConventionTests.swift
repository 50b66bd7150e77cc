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

    private func sources() async throws -> [(module: String, path: String, lines: [Substring])] {
        let list = try await shell(["find", "\(checkout)/Sources", "-name", "*.swift"])
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
