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
        func isPunctuation(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_") }
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        let allowed = (name ?? folder ?? root).lowercased().utf8.filter { byte in
            isPunctuation(byte) || letters.contains(byte) || digits.contains(byte)
        }
        return String(decoding: allowed.drop(while: isPunctuation), as: UTF8.self)
    }
}
