import JSON
import Subprocess
import TestSupport
import Testing

/// Stacks with a service that runs once and ends, such as a migration.
@Suite struct OneShotTests {
    private func compose(migration: String, _ command: String = "sleep 0.3", web: String) -> String {
        """
        services:
          migration:
            image: web:1.0.0
            command: sh -c '\(command)'
            environment: {A: \(migration)}
            deploy: {restart_policy: {condition: on-failure, delay: 500ms}}
          web:
            image: web:1.0.0
            command: sh -c 'trap exit TERM; while true; do sleep 0.2; done'
            environment: {A: \(web)}
            depends_on: [migration]
            stop_grace_period: 1s
        """
    }

    @Test(.timeLimit(.minutes(4))) func aMigrationIsDeployedAgainAndAgainAndComesBack() async throws {
        let fleet = try await Fleet()
        try await fleet.commit(
            stacks: ["{name: PREFIXa, compose_file: a.yml}"],
            ["a.yml": compose(migration: "1", web: "1")]
        )
        try await fleet.running {
            try await fleet.settled("a")
            // Both change, one of them does, both do again.
            for (migration, web) in [("2", "2"), ("2", "3"), ("3", "3"), ("4", "4")] {
                try await fleet.commit(["a.yml": compose(migration: migration, web: web)], "Next")
                try await fleet.settled("a")
                let expected = ["migration": "A=\(migration)", "web": "A=\(web)"]
                #expect(try await fleet.environment("a") == expected)
            }
            try await fleet.commit(["a.yml": compose(migration: "5", "exit 3", web: "5")], "Break the migration")
            try await fleet.eventually("both are back") {
                let app = try await fleet.app("a")
                let variables = try await fleet.environment("a")
                return app["rejected"] != nil && variables == ["migration": "A=4", "web": "A=4"]
            }
            try await fleet.eventually("the way back is done") {
                let conditions = try await fleet.app("a")["conditions"]?.array ?? []
                return !conditions.isEmpty && !conditions.contains { $0["type"]?.string == "Reconciling" }
            }
            try await fleet.commit(["a.yml": compose(migration: "6", web: "6")], "Fix")
            try await fleet.settled("a")
        }
        try await fleet.clean("a")
    }

    /// An app that exits until its database is there is not given up before.
    @Test(.timeLimit(.minutes(4))) func anAppMayExitUntilItsDatabaseIsThere() async throws {
        let fleet = try await Fleet(timeout: "90s")
        let shared = "\(fleet.scratch.path)/shared"
        _ = try await execute(["mkdir", "-p", shared])
        @Sendable func compose(_ version: String) -> String {
            """
            services:
              db:
                image: web:1.0.0
                command: sh -c 'trap exit TERM; sleep 8; echo >/shared/\(version); while true; do sleep 0.2; done'
                healthcheck: {test: 'cat /shared/\(version)', interval: 500ms, retries: 99}
                volumes: ['\(shared):/shared']
                stop_grace_period: 1s
              app:
                image: web:1.0.0
                command: sh -c 'trap exit TERM; cat /shared/\(version) || exit 3; while true; do sleep 0.2; done'
                volumes: ['\(shared):/shared']
                depends_on: [db]
                stop_grace_period: 1s
                deploy: {restart_policy: {delay: 200ms}}
            """
        }
        try await fleet.commit(stacks: ["{name: PREFIXa, compose_file: a.yml}"], ["a.yml": compose("1")])
        try await fleet.running {
            try await fleet.settled("a", within: .seconds(90))
            try await fleet.commit(["a.yml": compose("2")], "Next")
            try await fleet.settled("a", within: .seconds(90))
            #expect(try await fleet.app("a")["rejected"] == nil)
        }
        try await fleet.clean("a")
    }
}
