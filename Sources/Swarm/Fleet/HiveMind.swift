internal import Compose

/// What HiveMind leaves on a cluster, by which its stacks are told from others.
enum HiveMind {
    /// The label of the configs it keeps its state in.
    static let mark = "io.nicholstech.hivemind.state"
    /// The label that names the stack such a config is about.
    static let stack = "io.nicholstech.hivemind.stack"

    /// The project name HiveMind gave a stack without meaning to: `docker compose config` takes the file's own `name`, or
    /// else the name of the first file's folder, and puts it before the names of networks, volumes, configs and secrets.
    ///
    /// Source: compose-go, `NormalizeProjectName`.
    static func project(named name: String?, composeFile: String, root: String) -> String {
        let folder = composeFile.split(separator: "/").dropLast().last { $0 != "." }.map(String.init)
        let allowed = (name ?? folder ?? root).lowercased().unicodeScalars.filter { scalar in
            scalar == "-" || scalar == "_" || ("a"..."z").contains(scalar) || ("0"..."9").contains(scalar)
        }
        return String(String.UnicodeScalarView(allowed.drop { $0 == "-" || $0 == "_" }))
    }
}
