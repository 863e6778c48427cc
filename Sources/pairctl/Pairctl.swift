import ArgumentParser
import PairCore

/// The operator's tool: asks the daemon on this machine over its control socket.
@main
struct Pairctl: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pairctl",
        abstract: "Shows and changes what this node does in its pair.",
        discussion: """
            Data goes to standard output, everything else to standard error.

            Exit codes: 0 done; 1 tried and failed, the old state is kept; 10 refused by a safety \
            rule; 11 needs --confirm; 12 in doubt, and safe; 64 usage; 69 daemon unavailable; 75 \
            timed out, may still finish; 77 not permitted. `pairctl status` has its own: 0 \
            protected or standalone; 1 degraded or unpaired; 2 unprotected, diverged or down; 3 no \
            answer.
            """,
        version: Release.version,
        subcommands: [
            Status.self, Init.self, Pair.self, EnableHA.self, DisableHA.self, Switchover.self,
            Promote.self, Suspend.self, Resume.self, Tail.self, Verify.self, Wait.self,
            History.self, Events.self,
        ]
    )
    /// A verb that does not exist is answered with the one that was meant, where that can be told.
    static func main() {
        do {
            var command = try self.parseAsRoot()
            try command.run()
        } catch {
            if self.exitCode(for: error) == .validationFailure,
                let text = self.suggestion(for: Array(CommandLine.arguments.dropFirst()))
            {
                StandardError.write("pairctl: \(text)")
                self.exit(withError: ExitCode.validationFailure)
            }
            self.exit(withError: error)
        }
    }

    private static func suggestion(for arguments: [String]) -> String? {
        var command: any ParsableCommand.Type = self
        for argument in arguments.prefix(while: { !$0.hasPrefix("-") }) {
            let verbs = command.configuration.subcommands.map { (name: $0.verb, type: $0) }
            guard !verbs.isEmpty else { return nil }
            if let known = verbs.first(where: { $0.name == argument }) {
                command = known.type
                continue
            }
            return NearMiss.of(argument, among: verbs.map(\.name)).map {
                "there is no verb '\(argument)'; did you mean \($0)?"
            }
        }
        return nil
    }
}

extension ParsableCommand {
    /// As an operator types it.
    fileprivate static var verb: String {
        self.configuration.commandName ?? "\(self)".lowercased()
    }
}
