import Compose
import Diagnostics

/// Reads a project from files given as text; the first name is the main file.
func project(
    _ files: [String: String],
    main: [String] = ["compose.yml"],
    variables: [String: String] = [:],
    profiles: Set<String> = []
) async throws -> Project {
    let options = LoadOptions(variables: variables, profiles: profiles, bindRoot: "/files")
    return try await loadProject(files: main, options: options) { path in
        guard let text = files[path] else { throw Invalid(at: nil, "there is no file '\(path)'") }
        return Array(text.utf8)
    }
}

/// The first service of a single file.
func service(_ text: String, variables: [String: String] = [:]) async throws -> Service {
    let project = try await project(["compose.yml": text], variables: variables)
    return project.services[0]
}

/// Everything that is wrong with a single file.
func complaints(_ text: String, variables: [String: String] = [:]) async -> [String] {
    do {
        return try await project(["compose.yml": text], variables: variables).warnings.map(\.description)
    } catch let invalid as Invalid {
        return invalid.diagnostics.map(\.description)
    } catch {
        return ["\(error)"]
    }
}
