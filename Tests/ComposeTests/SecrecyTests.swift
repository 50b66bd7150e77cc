import Compose
import Diagnostics
import Testing

/// What is wrong is told without the values that may be secrets.
@Suite struct SecrecyTests {
    private let secret = "hunter2-and-more"

    @Test(arguments: [
        "environment: ['PASSWORD=hunter2-and-more$']", "environment: {PASSWORD: 'hunter2-and-more${'}",
        "environment: {PASSWORD: '${1hunter2-and-more}'}", "environment: {PASSWORD: '${A!hunter2-and-more}'}",
        "environment: PASSWORD=hunter2-and-more", "deploy: {replicas: '${PASSWORD}'}", "ports: ['${PASSWORD}:80']",
        "ports: ['8${PASSWORD}']", "networks: ['${API_TOKEN}']", "volumes: ['${PASSWORD}:/x']",
        "env_file: '${PASSWORD}'", "depends_on: ['x${PASSWORD}']", "stop_grace_period: '${UNNAMED}'",
        "deploy: {mode: '${PASSWORD}'}", "environment: ['A=${NONE:?$PASSWORD}']",
    ])
    func whatIsWrongShowsNoValue(field: String) async {
        let found = await complaints(
            "services: {a: {image: x, \(field)}}",
            variables: ["PASSWORD": secret, "API_TOKEN": secret, "UNNAMED": secret]
        )
        #expect(!found.isEmpty)
        #expect(!found.contains { $0.contains("hunter2") }, "\(found)")
    }

    @Test(arguments: ["A=1\nhunter2/+\n", "P=${hunter2\n", "P=${A!hunter2}\n", "P='hunter2\n", "P=${1hunter2}\n"])
    func norDoesAnEnvironmentFile(text: String) {
        do {
            _ = try parseDotEnv(Array(text.utf8), file: "e.env")
            Issue.record("nothing was wrong")
        } catch {
            #expect(!"\(error)".contains("hunter2"), "\(error)")
        }
    }

    @Test func aValueThatIsNoSecretIsShown() async {
        let found = await complaints("services: {a: {image: x, ports: ['${PORT}:80']}}", variables: ["PORT": "99999"])
        #expect(found == ["compose.yml:1:34: '99999' in '99999:80' is no port; ports are 1 to 65535"])
    }

    @Test func theVariableStandsForItsValue() async {
        let found = await complaints(
            "services: {a: {image: x, deploy: {replicas: '${REPLICAS}'}, networks: ['${TOKEN}']}}",
            variables: ["REPLICAS": "many", "TOKEN": "abc"]
        )
        #expect(
            found == [
                "compose.yml:1:12: service 'a' refers to the network '${TOKEN}', which is not defined; define it under 'networks:'",
                "compose.yml:1:45: 'replicas' in deploy of service 'a' must be a whole number, found '${REPLICAS}'",
            ]
                || found == [
                    "compose.yml:1:45: 'replicas' in deploy of service 'a' must be a whole number, found '${REPLICAS}'"
                ],
            "\(found)"
        )
    }
}
