import Configuration
import Diagnostics
import Testing

@Suite struct ConfigurationTests {
    private func read(
        _ text: String,
        _ variables: [String: String] = [:],
        files: [String: String] = [:]
    ) throws -> Configuration {
        try Configuration(Array(text.utf8), file: "config.yml", environment: environment(variables, files))
    }

    private func environment(_ variables: [String: String], _ files: [String: String] = [:]) -> ConfigurationEnvironment
    {
        ConfigurationEnvironment(variables: variables, read: { path in files[path].map { Array($0.utf8) } })
    }

    private func complaints(_ text: String, _ variables: [String: String] = [:]) -> [String] {
        do {
            return try read(text, variables).warnings.map(\.description)
        } catch let invalid as Invalid {
            return invalid.diagnostics.map(\.description)
        } catch {
            return ["\(error)"]
        }
    }

    @Test func hiveMindsFileWorksAsItStands() throws {
        let configuration = try read(
            """
            git:
              url: https://git.example.org/fleet.git
              branch: main
              path: .
              username: bot
              password: secret
              ssh_key: /key
              poll_interval: 30
            """,
            files: ["/key": "x"]
        )
        let source = configuration.sources[0]
        #expect(source.url == "https://git.example.org/fleet.git")
        #expect(source.reference == .branch("main"))
        #expect(source.path.isEmpty)
        #expect(source.password == "secret")
        #expect(source.pollInterval == .seconds(30))
        #expect(configuration.targets.map(\.endpoint) == ["unix:///var/run/docker.sock"])
    }

    @Test func theEnvironmentAloneIsEnough() throws {
        let variables = [
            "HIVEMIND_GIT_URL": "git@host:fleet.git", "HIVEMIND_GIT_BRANCH": "prod", "HIVEMIND_GIT_POLL_INTERVAL": "5",
            "HECATE_STORE": "/s",
        ]
        let configuration = try Configuration(environment: environment(variables))
        #expect(configuration.sources[0].reference == .branch("prod"))
        #expect(configuration.sources[0].pollInterval == .seconds(5))
        #expect(configuration.store == "/s")
        #expect(throws: Invalid.self) { try Configuration(environment: environment([:])) }
    }

    @Test func quotesAroundHiveMindsVariablesMeanNothing() throws {
        let quoted = ["HIVEMIND_GIT_URL": "\"git@host:fleet.git\"", "HIVEMIND_GIT_BRANCH": "'prod'"]
        let source = try Configuration(environment: environment(quoted)).sources[0]
        #expect(source.url == "git@host:fleet.git" && source.reference == .branch("prod"))
    }

    @Test func hecatesOwnForm() throws {
        let configuration = try read(
            """
            sources:
              - {name: prod, url: 'ssh://git@host/fleet', semver: '>=1.0 <2', stacks_file: prod.yml, username: a, password_file: /p}
              - {name: lab, url: 'file:///lab', tag: v1, poll_interval: 5m}
            targets:
              - {name: east, endpoint: 'tcp://east:2376', tls: {ca: /ca, cert: /cert, key: /key}}
            registries: [{server: ghcr.io, username: bot, password_env: TOKEN}]
            limits: {parallelism: 4, timeout: 2m, verify_window: 20s}
            variables: {DOMAIN: example.org}
            store: /store
            """,
            ["TOKEN": "t"],
            files: ["/p": "pass\n", "/ca": "", "/cert": "", "/key": ""]
        )
        #expect(configuration.sources.map(\.name) == ["prod", "lab"])
        #expect(configuration.sources[0].reference == .semver(">=1.0 <2"))
        #expect(configuration.sources[0].password == "pass")
        #expect(configuration.registries == [RegistryConfiguration(server: "ghcr.io", username: "bot", password: "t")])
        #expect(configuration.parallelism == 4 && configuration.timeout == .seconds(120))
        #expect(configuration.variables == ["DOMAIN": "example.org"])
        #expect(configuration.warnings.isEmpty)
    }

    @Test func aDockerClientsFileGivesCredentials() throws {
        let configuration = try read(
            "git: {url: /fleet}\ndocker_config: /d.json",
            files: [
                "/d.json":
                    #"{"auths": {"ghcr.io": {"auth": "Ym90OnNlY3JldA=="}, "https://index.docker.io/v1/": {"auth": "YTpi"}}}"#
            ]
        )
        #expect(configuration.registries.map(\.server) == ["ghcr.io", "docker.io"])
        #expect(configuration.registries.first?.password == "secret")
    }

    @Test(arguments: [
        ("git: {url: x, brnch: y}", "config.yml:1:15: unknown key 'brnch' in 'git'; did you mean 'branch'?"),
        ("git: {branch: main}", "config.yml:1:6: 'git' needs 'url'"),
        (
            "git: {url: 'ext::sh -c x'}",
            "config.yml:1:12: 'ext::sh -c x' is no address of a repository; use https://, ssh://, git@host:path, git:// or file://"
        ),
        ("git: {url: 'http://h/f'}", "config.yml:1:12: 'http://' sends everything in the open; use https:// or ssh://"),
        (
            "git: {url: 'https://a:b@h/f'}",
            "config.yml:1:12: the address holds a password; write 'username' and 'password_file' instead"
        ),
        (
            "git: {url: /f, poll_interval: often}",
            "config.yml:1:31: 'poll_interval' in 'git' must be a duration such as '30s' or '5m', found 'often'"
        ),
        ("git: {url: /f, ssh_key: /none}", "config.yml:1:25: the SSH key '/none' cannot be read"),
        (
            "git: {url: /f, branch: a, tag: b}",
            "config.yml:1:27: 'git' follows both 'branch' and 'tag'; keep one of them"
        ),
        ("gti: {url: /f}", "config.yml:1:1: unknown key 'gti'; did you mean 'git'?"),
        (
            "git: {url: /f}\ntargets: [{name: a, endpoint: 'unix:/x'}]",
            "config.yml:2:31: 'unix:/x' is no address of an Engine; use unix:///path or tcp://host:port"
        ),
        (
            "git: {url: /f}\nclusters: [{name: a, endpoint: 'tcp://h:2377'}]",
            "config.yml:2:32: warning: port 2377 is where Swarm's managers talk to each other, not the Engine's API; the API with TLS is usually on 2376"
        ),
        (
            "git: {url: /f, password: x}",
            "config.yml:1:16: warning: 'password' stands in plain text; use 'password_file' or 'password_env'"
        ),
        ("git: {url: /f, password_file: /none}", "config.yml:1:31: the file '/none' cannot be read"),
        (
            "git: {url: /f}\nlimits: {parallelism: 0}",
            "config.yml:2:23: 'parallelism' in 'limits' must be 1 to 256, found 0"
        ),
        ("git: [a", "config.yml:2:1: not valid YAML: did not find expected ',' or ']' while parsing a flow sequence"),
        (
            "store: 1",
            "config.yml:1:1: no source is configured; add 'git:' with 'url:', or 'sources:', or 'node: true' for this machine's own units"
        ),
    ])
    func whatIsWrongNamesPlaceAndCure(sample: (text: String, message: String)) {
        let found = complaints(sample.text)
        #expect(found.contains(sample.message), "\(found)")
    }

    // MARK: Server and notifications

    @Test func theServerIsOffUntilItIsAskedFor() throws {
        #expect(try !read("git: {url: /fleet}").server.isOn)
        let configuration = try read(
            """
            git: {url: /fleet}
            server:
              listen: 127.0.0.1:8080
              url: https://hecate.example.org/
              tokens: [{name: anna, role: admin, token_file: /token}]
            """,
            files: ["/token": "0123456789abcdef0123\n"]
        )
        #expect(
            configuration.server.listen == ["127.0.0.1:8080"]
                && configuration.server.url == "https://hecate.example.org"
        )
        #expect(configuration.server.tokens.first?.secret == "0123456789abcdef0123")
        let wrong = complaints(
            """
            git: {url: /fleet}
            server:
              listen: 127.0.0.1:8080
              anonymous: everybody
              rate: 0
              tokens: [{name: anna, role: admin, token: short}]
            """
        )
        for words in ["anonymous", "'rate' must be more", "shorter than 16 bytes"] {
            #expect(wrong.contains { $0.contains(words) && $0.contains("config.yml:") }, "\(words): \(wrong)")
        }
        let variables = [
            "HECATE_GIT_URL": "/fleet", "HECATE_SERVER_LISTEN": "127.0.0.1:1", "HECATE_SERVER_ANONYMOUS": "viewer",
        ]
        #expect(try Configuration(environment: environment(variables)).server.anonymous == "viewer")
    }

    @Test func notificationsAreReadByTheirKind() throws {
        let configuration = try read(
            """
            git: {url: /fleet}
            notifications:
              - {name: ops, kind: slack, url_file: /slack, severity: error, apps: [default/web*], group: 30s}
              - {name: forge, kind: gitea, api: https://git.example.org/api/v1, repository: ops/fleet, token_env: FORGE}
              - {name: mail, kind: mail, host: mail.example.org, from: hecate@example.org, to: [anna@example.org]}
            heartbeat: {url: https://hc.example.org/ping, interval: 5m}
            """,
            ["FORGE": "t"],
            files: ["/slack": "https://hooks.slack.com/services/x\n"]
        )
        let channels = configuration.notifications.channels
        #expect(channels.map(\.kind) == ["slack", "gitea", "mail"])
        #expect(channels[0].values["url"] == "https://hooks.slack.com/services/x" && channels[0].group == .seconds(30))
        #expect(channels[1].values["token"] == "t" && channels[2].port == 587)
        #expect(configuration.notifications.heartbeat?.interval == .seconds(300))
    }

    @Test func mailWithoutASenderComesFromTheServersHost() throws {
        let variables = ["HIVEMIND_SMTP_HOST": "mail.example.org", "HIVEMIND_SMTP_TO": "b@example.org"]
        let alone = try Configuration(
            environment: environment(variables.merging(["HIVEMIND_GIT_URL": "/fleet"]) { $1 })
        )
        #expect(alone.notifications.channels.map { $0.values["from"] } == ["hecate@mail.example.org"])
        #expect(
            alone.warnings.map(\.description) == [
                "warning: no sender of mail is given, so it comes from 'hecate@mail.example.org'; give 'from', or SMTP_FROM, as name@example.org"
            ]
        )
        let beside = try read("git: {url: /fleet}", variables)
        #expect(beside.notifications.channels.map { $0.values["from"] } == ["hecate@mail.example.org"])
        let file = try read("git: {url: /fleet}\nnotifications: {smtp: {host: 10.0.0.1, to: b@example.org}}")
        #expect(file.notifications.channels.map { $0.values["from"] } == ["hecate@[10.0.0.1]"])
        #expect(file.warnings.map { $0.place?.line } == [2])
    }

    @Test(arguments: [
        (
            "HIVEMIND_WEBUI_PORT", "8080",
            "warning: HIVEMIND_WEBUI_PORT has no effect: the dashboard is served where 'server.listen' says; set HECATE_SERVER_LISTEN=0.0.0.0:8080, and HECATE_SERVER_TOKEN or HECATE_SERVER_ANONYMOUS"
        ),
        (
            "HIVEMIND_WEBUI_ENABLED", "true",
            "warning: HIVEMIND_WEBUI_ENABLED has no effect: the dashboard is served where 'server.listen' says, and nowhere without it; set HECATE_SERVER_LISTEN for a dashboard, or remove the variable"
        ),
        (
            "HIVEMIND_MEDIA_UPDATE_HOUR", "3",
            "warning: HIVEMIND_MEDIA_UPDATE_HOUR has no effect: updates are not put off while somebody watches, and no media server is asked; keep a stack as it is for a while with 'hecate suspend', then remove the variable"
        ),
        (
            "HIVEMIND_PLEX_TOKEN", "hunter2",
            "warning: HIVEMIND_PLEX_TOKEN has no effect: updates are not put off while somebody watches, and no media server is asked; keep a stack as it is for a while with 'hecate suspend', then remove the variable"
        ),
        (
            "HIVEMIND_SMTP_PRIORITY", "1",
            "warning: HIVEMIND_SMTP_PRIORITY has no effect: mails carry no priority; remove it"
        ),
        (
            "HIVEMIND_GIT_BRANSH", "main",
            "warning: HIVEMIND_GIT_BRANSH has no effect: no variable of this name is read; did you mean 'HIVEMIND_GIT_BRANCH'?"
        ),
        (
            "HIVEMIND_SOMETHING_ELSE", "x",
            "warning: HIVEMIND_SOMETHING_ELSE has no effect: no variable of this name is read"
        ),
    ])
    func aVariableOfHiveMindsThatIsNotKeptIsWarnedOf(sample: (name: String, value: String, warning: String)) throws {
        #expect(complaints("git: {url: /fleet}", [sample.name: sample.value]) == [sample.warning])
        let alone = try Configuration(environment: environment(["HIVEMIND_GIT_URL": "/f", sample.name: sample.value]))
        #expect(alone.warnings.map(\.description) == [sample.warning])
    }

    @Test func variablesOfOneRepositorySayNothingToSeveral() {
        let found = complaints(
            "sources: [{name: a, url: /a}]",
            ["HIVEMIND_GIT_BRANCH": "main", "HIVEMIND_SMTP_TLS": "true", "HIVEMIND_WEBHOOK_SECRET": "s"]
        )
        #expect(
            found == [
                "warning: HIVEMIND_GIT_BRANCH has no effect: the configuration lists its own 'sources'; say it at the source, or remove the variable",
                "warning: HIVEMIND_WEBHOOK_SECRET has no effect: the configuration lists its own 'sources'; say it at the source, or remove the variable",
            ]
        )
    }

    @Test func anAddressIsShownWithoutItsCredentials() {
        let found = complaints("git: {url: 'ftp://bot:hunter2@host/f'}")
        #expect(
            found.count == 1 && found[0].contains("'ftp://…@host/f' is no address") && !found[0].contains("hunter2")
        )
    }

    @Test func whatACheckTakesFromAConfiguration() throws {
        // The files and secrets that the rest of it names are not there where a repository is checked.
        let text = "git: {url: https://x/y, ssh_key: /none}\nvariables: {DOMAIN: example.org}\n"
        let shared = try SharedSettings(Array("\(text)bind_root: /mnt/files".utf8), file: "config.yml")
        #expect(shared.bindRoot == "/mnt/files" && shared.variables == ["DOMAIN": "example.org"])
        #expect(try SharedSettings(Array(text.utf8), file: "config.yml").bindRoot == Configuration().bindRoot)
        #expect(throws: Invalid.self) { try SharedSettings(Array("bind_root: []".utf8), file: "config.yml") }
    }

    @Test func wrongNotificationsAreNamedWithTheirCure() {
        let wrong = complaints(
            """
            git: {url: /fleet}
            notifications:
              - {name: a, kind: slak, url: https://x}
              - {name: b, kind: matrix, server: matrix.example.org, token_file: /nowhere}
              - {name: c, kind: mail, host: h, from: nobody, to: [], encryption: startls}
              - {name: c, kind: ntfy, topic: t, sevrity: info}
              - {name: d, kind: gitea, repository: r, token_env: NOT_SET}
            heartbeat: {url: hc.example.org, interval: 0}
            """
        )
        for words in [
            "did you mean 'slack'", "lacks 'room'", "'server' is no http:// or https:// address",
            "'/nowhere' cannot be read", "'nobody' is no mail address", "lacks 'to'", "did you mean 'starttls'",
            "unknown key 'sevrity'", "the variable 'NOT_SET' is not set", "lacks 'api'", "'interval' is shorter",
        ] {
            #expect(wrong.contains { $0.contains(words) }, "\(words): \(wrong)")
        }
    }

    @Test func hiveMindsMailServerIsTold() throws {
        let configuration = try read(
            """
            git: {url: /fleet}
            notifications:
              smtp: {host: mail, from: a@example.org, to: [b@example.org], tls: true, priority: 1}
            """
        )
        let channel = configuration.notifications.channels[0]
        #expect(channel.port == 25 && channel.values["encryption"] == "starttls" && channel.to == ["b@example.org"])
        let variables = [
            "HIVEMIND_GIT_URL": "/fleet", "HIVEMIND_SMTP_HOST": "mail", "HIVEMIND_SMTP_FROM": "a@example.org",
            "HIVEMIND_SMTP_TO": "b@example.org, c@example.org", "HIVEMIND_SMTP_PORT": "2525",
        ]
        let other = try Configuration(environment: environment(variables)).notifications.channels[0]
        #expect(other.to == ["b@example.org", "c@example.org"] && other.port == 2525)
        let mixed = try read(
            """
            git: {url: /fleet}
            notifications: {smtp: {host: mail, from: HiveMind <a@example.org>, to: 'b@example.org , c@example.org'}}
            """,
            ["HIVEMIND_SMTP_PASSWORD": "p", "HIVEMIND_WEBHOOK_SECRET_FILE": "/secret"],
            files: ["/secret": "s3cret\n"]
        )
        let smtp = mixed.notifications.channels[0]
        #expect(
            smtp.values["from"] == "a@example.org" && smtp.values["password"] == "p" && smtp.values["host"] == "mail"
        )
        #expect(smtp.to == ["b@example.org", "c@example.org"] && smtp.severity == "info")
        #expect(mixed.sources[0].webhookSecret == "s3cret")
    }

    @Test func aNodeIsKeptBesideTheSwarm() throws {
        let git = "git: {url: 'https://git.example.org/fleet.git'}\n"
        #expect(try read(git).node == nil)
        #expect(try read(git + "node: false").node == nil)
        #expect(try read(git + "node: true").node == NodeConfiguration())
        let both = try read(git + "node: {gitops: /srv/gitops}")
        #expect(both.node?.gitops == "/srv/gitops" && both.targets.map(\.name) == ["default"])
        // Without a source of its own the controller needs no Swarm.
        let alone = try read("node: true")
        #expect(alone.sources.isEmpty && alone.targets.isEmpty && alone.node != nil)
    }

    @Test func aNodeThatCannotBeMeantIsRefused() {
        let git = "git: {url: 'https://git.example.org/fleet.git'}\n"
        #expect(complaints(git + "node: here").first?.contains("config.yml:2:7") == true)
        #expect(complaints(git + "node: {gitops: srv}").first?.contains("name the folder from the root") == true)
        #expect(complaints(git + "node: {gitop: /srv}").first?.contains("unknown key 'gitop'") == true)
        let taken = "node: true\nsources: [{name: gitops, url: 'https://git.example.org/fleet.git'}]"
        #expect(complaints(taken).contains { $0.contains("two sources are named 'gitops'") })
        let target = git + "node: true\ntargets: [{name: node, endpoint: 'unix:///x'}]"
        #expect(complaints(target).contains { $0.contains("two targets are named 'node'") })
    }
}
