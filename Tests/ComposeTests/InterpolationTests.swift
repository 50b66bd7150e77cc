import Compose
import Testing

@Suite struct InterpolationTests {
    private let interpolation = Interpolation(variables: ["SET": "value", "EMPTY": "", "N": "3"])

    @Test(arguments: [
        ("plain", "plain"), ("$SET", "value"), ("${SET}", "value"), ("a${SET}b", "avalueb"), ("$$SET", "$SET"),
        ("${NONE:-d}", "d"), ("${EMPTY:-d}", "d"), ("${EMPTY-d}", ""), ("${NONE-d}", "d"), ("${SET:-d}", "value"),
        ("${SET:+x}", "x"), ("${EMPTY:+x}", ""), ("${EMPTY+x}", "x"), ("${NONE+x}", ""), ("${NONE:-${SET}}", "value"),
        ("${NONE:-${ALSO:-deep}}", "deep"), ("${NONE:---flag=1}", "--flag=1"), ("${SET:?no}", "value"),
        ("${EMPTY?no}", ""), ("${SET:+$N}", "3"),
    ])
    func everyFormOfTheSpecification(form: (String, String)) throws {
        #expect(try interpolation.substitute(form.0).text == form.1)
    }

    @Test func whatIsRequiredIsNamedWithItsMessage() {
        #expect(throws: Interpolation.Failure.self) { try interpolation.substitute("${NONE:?set it}") }
        do {
            _ = try interpolation.substitute("${EMPTY:?set it}")
        } catch {
            #expect(error.message == "required variable 'EMPTY' is not set: set it")
        }
    }

    @Test(arguments: ["$", "${", "${A", "${1A}", "${A!b}", "a $ b"])
    func brokenFormsAreRefused(text: String) {
        #expect(throws: Interpolation.Failure.self) { try interpolation.substitute(text) }
    }

    /// What `docker stack deploy` makes of them, but for the last three: it ends a default at the first `}`, and there
    /// the specification is followed.
    @Test(arguments: [
        ("${NONE:-$2y$05$Ab.c/D}", "$2y$05$Ab.c/D"), ("${NONE-$2y$10$x}", "$2y$10$x"), ("${EMPTY:-$2y$}", "$2y$"),
        ("${NONE:-$SET}", "$SET"), ("${NONE:-$$x}", "$$x"), ("${NONE:-a b}$SET", "a bvalue"),
        ("${NONE:-{{.Node.Hostname}}}", "{{.Node.Hostname}}"), ("${NONE:-a${SET}b$$c}", "avalueb$c"),
        ("${NONE:-${ALSO:-$2y$05$x}}", "$2y$05$x"),
    ])
    func aDefaultStandsForItself(form: (String, String)) throws {
        let result = try interpolation.substitute(form.0)
        #expect(result.text == form.1 && result.unset.isEmpty)
    }

    @Test func aDefaultThatCouldBeReadOtherwiseIsWarnedOf() async {
        let found = await complaints(
            "services: {a: {image: x, environment: ['A=${N:-$$x}', 'B=${N:-$2y$05$x}', 'C=${N:-$V}']}}",
            variables: ["V": "v"]
        )
        #expect(found.count == 2 && found.allSatisfy { $0.contains("the default of '${N}' is taken as it stands") })
        #expect(found.map { $0.prefix(17) } == ["compose.yml:1:40:", "compose.yml:1:75:"], "\(found)")
    }

    @Test func variablesNestedWithoutEndAreRefused() {
        let text = String(repeating: "${NONE:-", count: 5000) + String(repeating: "}", count: 5000)
        #expect(throws: Interpolation.Failure.self) { try interpolation.substitute(text) }
    }

    @Test func unsetNamesAreReported() throws {
        #expect(try interpolation.substitute("$ONE ${TWO}").unset == ["ONE", "TWO"])
    }

    @Test func resultsAreTypedByTheFieldTheyStandIn() async throws {
        let service = try await service(
            "services: {a: {image: x, deploy: {replicas: '${N}'}, environment: {V: '${VERSION}'}}}",
            variables: ["N": "3", "VERSION": "1.10"]
        )
        #expect(service.deploy.replicas == 3)
        #expect(service.environment["V"] == "1.10")
    }
}
