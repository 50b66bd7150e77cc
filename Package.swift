// swift-tools-version: 6.1
import PackageDescription

// An arrow only ever points down: a module may import what is listed for it and nothing else. This is the only table of
// that; `ConventionTests` and the build of `script/test` hold the imports against it.
let package = Package(
    name: "hecate",
    products: [.executable(name: "hecate", targets: ["hecate"])],
    targets: [
        .executableTarget(
            name: "hecate",
            dependencies: [
                "Arguments", "Configuration", "Controller", "Crypto", "CSpawn", "Delivery", "Diagnostics", "Documents",
                "Files", "HTTP", "Journal", "JSON", "Kubernetes", "Operations", "Quadlet", "Repository", "Server",
                "Subprocess", "Swarm", "Systemd", "Text", "Threads",
            ]
        ),

        // Sources, targets, journal, server and notifications, wired together.
        .target(
            name: "Controller",
            dependencies: [
                "Configuration", "Crypto", "CSpawn", "Delivery", "Diagnostics", "Documents", "Files", "HTTP",
                "HTTPServer", "JSON", "Journal", "Mail", "Operations", "Quadlet", "Repository", "Server", "Swarm",
                "Systemd", "Threads",
            ]
        ),

        // The API and dashboard: what people, browsers and other programs see and ask.
        .target(
            name: "Server",
            dependencies: ["Crypto", "Delivery", "Documents", "HTTPServer", "JSON", "Journal", "Text"],
            resources: [.embedInCode("Dashboard/style.css"), .embedInCode("Dashboard/live.js")]
        ),

        // What goes out: who is notified of what happened.
        .target(
            name: "Operations",
            dependencies: ["Crypto", "Delivery", "Documents", "HTTP", "JSON", "Journal", "Mail", "Text"]
        ),

        // The machine-readable forms that the commands, the API and the notifications share.
        .target(name: "Documents", dependencies: ["Delivery", "JSON", "Journal"]),

        // The platforms.
        .target(
            name: "Swarm",
            dependencies: ["Compose", "Crypto", "Delivery", "Diagnostics", "HTTP", "JSON", "Text", "YAML"]
        ),

        .target(
            name: "Quadlet",
            dependencies: [
                "Crypto", "Delivery", "Diagnostics", "Files", "JSON", "Subprocess", "Systemd", "Text", "YAML",
            ]
        ),

        // What a node takes over.
        .target(name: "Kubernetes", dependencies: ["Crypto", "Diagnostics", "JSON", "Text"]),

        // Where desired state comes from and where history goes.
        .target(name: "Compose", dependencies: ["Diagnostics", "YAML"]),
        .target(
            name: "Repository",
            dependencies: ["Crypto", "Delivery", "Diagnostics", "Files", "Subprocess", "Threads"]
        ),
        .target(name: "Journal", dependencies: ["Crypto", "Delivery", "JSON", "SQLite", "Threads"]),
        .target(name: "Configuration", dependencies: ["Diagnostics", "YAML"]),

        // The domain.
        .target(name: "Delivery", dependencies: ["Diagnostics"]),

        // Thin, general wrappers. Each knows one library and nothing of Hecate.
        .target(name: "YAML", dependencies: ["CYAML", "Diagnostics"]),
        .target(name: "JSON", dependencies: ["CJansson"]),
        .target(name: "HTTP", dependencies: ["CCurl", "Threads"]),
        .target(name: "Mail", dependencies: ["CCurl", "Threads"]),
        .target(name: "HTTPServer", dependencies: ["CMicrohttpd"]),
        .target(name: "SQLite", dependencies: ["CSQLite"]),
        .target(name: "Crypto", dependencies: ["CCrypto"]),
        .target(name: "Subprocess", dependencies: ["CSpawn", "Threads"]),
        .target(name: "Systemd", dependencies: ["CSystemd", "Threads"]),
        .target(name: "Files", dependencies: ["Threads"]),
        .target(name: "Text"),
        .target(name: "Threads"),
        .target(name: "Arguments", dependencies: ["Diagnostics"]),
        .target(name: "Diagnostics"),

        .target(name: "CSpawn"),
        // Loaded when they are first used, and so not linked (libcurl4-openssl-dev, libmicrohttpd-dev).
        .target(name: "CCurl", dependencies: ["CLibrary"]),
        .target(name: "CMicrohttpd", dependencies: ["CLibrary"]),
        .target(name: "CLibrary"),

        .target(
            name: "TestSupport",
            dependencies: ["Delivery", "Diagnostics", "Subprocess", "JSON"],
            path: "Tests/TestSupport"
        ),
        // Hecate in a simulated world; see docs/simulation.md.
        .executableTarget(
            name: "simulate",
            dependencies: [
                "CVirtualClock", "Crypto", "Delivery", "Diagnostics", "Files", "HTTP", "JSON", "Quadlet",
                "SimulatedEngine", "SimulatedNode", "Subprocess", "Swarm", "Systemd", "Text",
            ],
            path: "Tests/Simulation"
        ),
        .target(name: "CVirtualClock", path: "Tests/VirtualClock"),
        .target(name: "SimulatedEngine", dependencies: ["HTTP", "JSON"], path: "Tests/SimulatedEngine"),
        .target(
            name: "SimulatedNode",
            dependencies: ["Files", "Subprocess", "Systemd"],
            path: "Tests/SimulatedNode"
        ),
        .testTarget(
            name: "SimulatedEngineTests",
            dependencies: ["Delivery", "Diagnostics", "HTTP", "JSON", "SimulatedEngine", "Swarm", "Text"]
        ),
        .testTarget(name: "JSONTests", dependencies: ["JSON"]),
        .testTarget(name: "YAMLTests", dependencies: ["YAML", "Diagnostics"]),
        .testTarget(name: "ComposeTests", dependencies: ["Compose", "Diagnostics", "TestSupport", "YAML"]),
        .testTarget(name: "DeliveryTests", dependencies: ["Delivery", "Diagnostics", "TestSupport"]),
        .testTarget(name: "RepositoryTests", dependencies: ["Delivery", "Diagnostics", "Repository", "TestSupport"]),
        .testTarget(name: "JournalTests", dependencies: ["Delivery", "JSON", "Journal", "SQLite", "TestSupport"]),
        .testTarget(
            name: "SwarmTests",
            dependencies: ["Compose", "Crypto", "Delivery", "Diagnostics", "HTTP", "JSON", "Swarm", "TestSupport"]
        ),
        .testTarget(
            name: "QuadletTests",
            dependencies: [
                "Delivery", "Diagnostics", "Files", "JSON", "Quadlet", "Repository", "SimulatedNode", "Systemd",
                "TestSupport",
            ]
        ),
        .testTarget(name: "KubernetesTests", dependencies: ["Diagnostics", "JSON", "Kubernetes", "TestSupport"]),
        .testTarget(name: "ConfigurationTests", dependencies: ["Configuration", "Diagnostics"]),
        .testTarget(name: "ArgumentsTests", dependencies: ["Arguments"]),
        .testTarget(name: "SubprocessTests", dependencies: ["HTTP", "JSON", "Subprocess"]),
        .testTarget(
            name: "ServerTests",
            dependencies: [
                "Crypto", "Delivery", "Documents", "HTTPServer", "JSON", "Journal", "Server", "Subprocess",
                "TestSupport",
            ]
        ),
        .testTarget(
            name: "OperationsTests",
            dependencies: [
                "Crypto", "Delivery", "HTTPServer", "JSON", "Journal", "Mail", "Operations", "Subprocess",
                "TestSupport",
            ]
        ),
        .testTarget(
            name: "ControllerTests",
            dependencies: ["Configuration", "Controller", "Delivery", "Diagnostics", "Journal", "TestSupport"]
        ),
        .testTarget(name: "TextTests", dependencies: ["Text"]),
        .testTarget(name: "HTTPServerTests", dependencies: ["HTTPServer", "Subprocess", "TestSupport"]),
        .testTarget(name: "ConventionTests", dependencies: ["JSON", "TestSupport"]),
        .testTarget(
            name: "SystemTests",
            dependencies: [
                "Files", "HTTP", "HTTPServer", "JSON", "SimulatedEngine", "SimulatedNode", "Subprocess", "Systemd",
                "TestSupport", "Text", .target(name: "hecate"),
            ]
        ),

        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CJansson", pkgConfig: "jansson", providers: [.apt(["libjansson-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    ]
)

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .unsafeFlags(["-warnings-as-errors"]),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]
let inC: Set<String> = ["CCurl", "CLibrary", "CMicrohttpd", "CSpawn", "CVirtualClock"]
for target in package.targets where [.regular, .executable, .test].contains(target.type) && !inC.contains(target.name) {
    target.swiftSettings = (target.swiftSettings ?? []) + strict
}
