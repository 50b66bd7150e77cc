import Compose
import Testing

@Suite struct InterpolationTests {
    private let interpolation = Interpolation(variables: ["SET": "value", "EMPTY": "", "N": "3"])

    @Test(arguments: [
        ("plain", "plain"), ("$SET", "value"), ("${SET}", "value"), ("a${SET}b", "avalueb"), ("$$SET", "$SET"),
        ("${NONE:-d}", "d"), ("${EMPTY:-d}", "d"), ("${EMPTY-d}", ""), ("${NONE-d}", "d"), ("${SET:-d}", "value"),
        ("${SET:+x}", "x"), ("${EMPTY:+x}", ""), ("${EMPTY+x}", "x"), ("${NONE+x}", ""), ("${NONE:-${SET}}", "value"),
        ("${NONE:-${ALSO:-deep}}", "deep"), ("${NONE:---flag=1}", "--flag=1"), ("${SET:?no}", "value"),
        ("${EMPTY?no}", ""),
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
