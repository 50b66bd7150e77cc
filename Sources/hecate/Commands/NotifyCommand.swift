internal import Arguments
internal import Configuration
internal import Controller
internal import Delivery
internal import Diagnostics
internal import Documents
internal import Operations

/// `hecate notify`: tries the notifications before they are needed.
enum NotifyCommand {
    static let command = Subcommand(
        "notify",
        summary: "send a test message by each notification of the configuration; exit 1 when one was not taken",
        arguments: ["[NAME...]"],
        example: "hecate notify on-call",
        isLocal: true
    ) { try await execute($0) }

    private static func execute(_ invocation: Invocation) async throws -> HecateProgram.ExitCode {
        let node = try Settings.node(invocation)
        let configuration = node == nil ? try Settings.configuration(invocation) : nil
        let given = node?.notifications.channels ?? configuration?.notifications.channels ?? []
        let channels = try given.map(NotificationRunner.channel)
        let wanted = try invocation.arguments.map { name in
            guard let channel = channels.first(where: { $0.name == name }) else {
                let hint =
                    suggestion(for: name, among: channels.map(\.name)) ?? "see 'notifications' in the configuration"
                throw Failure(.notFound, "there is no notification '\(name)'; \(hint)")
            }
            return channel
        }
        let chosen = wanted.isEmpty ? channels : wanted
        guard !chosen.isEmpty else {
            throw Failure(.notFound, "nobody is to be notified of anything; add 'notifications' to the configuration")
        }
        let base = node?.server.url ?? configuration?.server.url
        let dispatcher = Dispatcher()
        var isGood = true
        for channel in chosen {
            let problem = await dispatcher.test(channel, by: Settings.author, base: base, at: currentTime())
            Terminal.print("\(channel.name): \(problem ?? "notified")")
            isGood = isGood && problem == nil
        }
        return isGood ? .success : .failure
    }
}
