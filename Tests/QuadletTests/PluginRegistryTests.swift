import Testing

@testable import Quadlet

@Suite struct PluginRegistryTests {
    /// Where no registry lists them, the names of the files say what belongs together.
    @Test func filesMakePluginsByTheirNames() {
        let registry = PluginRegistry(files: [
            "hecate-traderd.container", "hecate-traderd.env", "hecate-traderw.container", "hecate-marthaw.container",
            "hecate-cloud.container", "hecate-lone.env", "other.container", "sub/hecate-deepd.container", "README.md",
            "hecate-.container", "hecate-d.container",
        ])
        #expect(registry.plugins.map(\.name) == ["clou", "martha", "trader"])
        #expect(
            registry["trader"]?.files == ["hecate-traderd.container", "hecate-traderd.env", "hecate-traderw.container"]
        )
        #expect(registry["trader"]?.dataFolders == ["hecate-traderd"])
        #expect(registry["martha"]?.dataFolders == [])
    }
}
