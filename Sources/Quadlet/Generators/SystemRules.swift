internal import Diagnostics

/// What systemd refuses to load of its own units, known without it.
///
/// Only what makes a unit useless as a whole: an unknown key is passed over by systemd with a word in its journal. Source:
/// systemd.service(5), systemd.timer(5), systemd.socket(5), systemd.path(5), systemd.mount(5).
struct SystemRules {
    let name: UnitName
    let path: String
    let unit: UnitFile

    var diagnostics: Diagnostics {
        var diagnostics = Diagnostics()
        if name.stem == "-" || name.description == "system.slice" {
            diagnostics.error(
                at: Place(file: path),
                "'\(name)' is systemd's own, and always there",
                cure: "lay a drop-in over it by hand, or remove the file"
            )
        }
        if !isInstallable {
            diagnostics.error(
                at: unit.all("Install", "Alias").first?.place ?? Place(file: path),
                "an alias ends as the unit does, with '.\(name.kind.rawValue)'",
                cure: "write Alias=NAME.\(name.kind.rawValue)"
            )
        }
        for key in Install.wanting.map(\.key) + ["Alias"] {
            for entry in unit.all("Install", key) where words(entry.value).contains(where: { $0.contains("/") }) {
                diagnostics.error(at: entry.place, "\(key) takes names of units, and no paths", cure: "remove the '/'")
            }
        }
        for entry in unit.all("Service", "EnvironmentFile") where !isWhole(entry.value) {
            diagnostics.error(
                at: entry.place,
                "systemd takes whole paths only, and '\(entry.value)' is none",
                cure: "write it as %h/.hecate/gitops/…"
            )
        }
        guard !name.kind.needsSection || unit.sections.contains(section) else {
            diagnostics.error(
                at: Place(file: path),
                "a .\(name.kind.rawValue) file has a section [\(section)], and this one has none",
                cure: "add [\(section)]"
            )
            return diagnostics
        }
        switch name.kind {
        case .service: service(&diagnostics)
        case .timer: need(oneOf: Self.timerKeys, "when it elapses", "OnCalendar=daily", &diagnostics)
        case .socket:
            let isListening = unit.entries.contains { $0.section == "Socket" && $0.key.hasPrefix("Listen") }
            if !isListening { lacks("where it listens", "ListenStream=8080", &diagnostics) }
        case .path: need(oneOf: Self.pathKeys, "which path it watches", "PathExists=/path", &diagnostics)
        case .mount: mounted("Where", &diagnostics)
        case .automount: mounted("Where", &diagnostics)
        case .swap: mounted("What", &diagnostics)
        default: break
        }
        return diagnostics
    }

    private static let timerKeys = [
        "OnActiveSec", "OnBootSec", "OnStartupSec", "OnUnitActiveSec", "OnUnitInactiveSec", "OnCalendar",
        "OnClockChange", "OnTimezoneChange",
    ]
    private static let pathKeys = ["PathExists", "PathExistsGlob", "PathChanged", "PathModified", "DirectoryNotEmpty"]

    private var section: String { name.kind.section }

    private var isInstallable: Bool {
        unit.values("Install", "Alias").flatMap(words).allSatisfy { $0.hasSuffix(".\(name.kind.rawValue)") }
    }

    private func isWhole(_ path: String) -> Bool {
        let path = path.hasPrefix("-") ? path.dropFirst() : path[...]
        return path.hasPrefix("/") || path.hasPrefix("%")
    }

    private func lacks(_ what: String, _ example: String, _ diagnostics: inout Diagnostics) {
        diagnostics.error(
            at: Place(file: path),
            "[\(section)] does not say \(what), so that systemd does not load it",
            cure: "add such as \(example)"
        )
    }

    private func need(oneOf keys: [String], _ what: String, _ example: String, _ diagnostics: inout Diagnostics) {
        if keys.allSatisfy({ unit.values(section, $0).isEmpty }) { lacks(what, example, &diagnostics) }
    }

    private func service(_ diagnostics: inout Diagnostics) {
        let type = unit.last("Service", "Type")
        let isDoingNothing = ["ExecStart", "ExecStop"].allSatisfy { unit.values("Service", $0).isEmpty }
        if isDoingNothing, unit.last("Unit", "SuccessAction") ?? "none" == "none" {
            lacks("what it runs", "ExecStart=/usr/bin/program", &diagnostics)
        } else if type != nil, type != "oneshot", unit.values("Service", "ExecStart").isEmpty {
            lacks("what it runs", "ExecStart=/usr/bin/program", &diagnostics)
        }
        if type ?? "simple" != "oneshot", unit.all("Service", "ExecStart").count > 1 {
            diagnostics.error(
                at: unit.all("Service", "ExecStart")[1].place,
                "a service has one ExecStart= unless it is Type=oneshot",
                cure: "take back the first with an empty ExecStart=, or remove one"
            )
        }
        if type == "oneshot", let entry = unit.all("Service", "Restart").last,
            ["always", "on-success"].contains(entry.value)
        {
            diagnostics.error(
                at: entry.place,
                "a Type=oneshot service that starts anew after it ended well would never end, and systemd refuses it",
                cure: "write Restart=on-failure, or start it by a timer"
            )
        }
    }

    /// A mount's name is the path that it is mounted at.
    private func mounted(_ key: String, _ diagnostics: inout Diagnostics) {
        guard let entry = unit.all(section, key).last else {
            return lacks("its \(key)=", "\(key)=/path", &diagnostics)
        }
        guard entry.value.hasPrefix("/"), !entry.value.contains("%") else { return }
        let wanted = "\(Self.escaped(entry.value)).\(name.kind.rawValue)"
        guard wanted != name.description else { return }
        diagnostics.error(
            at: entry.place,
            "a unit with \(key)=\(entry.value) is called '\(wanted)', and this one '\(name)'",
            cure: "rename the file to \(wanted)"
        )
    }

    /// A path as part of a unit's name (systemd.unit(5), "String Escaping for Inclusion in Unit Names").
    static func escaped(_ path: String) -> String {
        let parts = path.split(separator: "/").joined(separator: "/")
        guard !parts.isEmpty else { return "-" }
        var result = ""
        for (index, byte) in parts.utf8.enumerated() {
            let isPlain =
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "_")
                || byte == UInt8(ascii: ":") || byte == UInt8(ascii: ".") && index > 0
            if byte == UInt8(ascii: "/") {
                result += "-"
            } else if isPlain {
                result += String(UnicodeScalar(byte))
            } else {
                let digits = String(byte, radix: 16)
                result += "\\x" + (digits.count == 1 ? "0" : "") + digits
            }
        }
        return result
    }
}
