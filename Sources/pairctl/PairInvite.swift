import ArgumentParser
import PairCore
import PairWire

struct PairInvite: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "invite",
        abstract: "Prints a code with which the other node can join, once.",
        discussion: """
            The code is a secret until it is used: give it to the operator of the other node on a \
            way that you trust. Three wrong tries burn it.
            """
    )

    @Option(help: ArgumentHelp("How long the code can be used, 1m to 60m.", valueName: "dur"))
    var ttl = Interval(.seconds(600))

    @Flag(help: "Say what would be done, and change nothing.")
    var dryRun = false

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard (Duration.seconds(60)...(.seconds(3600))).contains(self.ttl.duration) else {
            throw ValidationError("--ttl is out of range; write 1m to 60m")
        }
    }

    func run() throws {
        let command = ControlCommand.pairInvite(.init(ttlSeconds: self.ttl.duration.inSeconds))
        try self.global.run(command, PairInvitation.self, dryRun: self.dryRun) { invitation in
            StandardError.write("On the other node type: pairctl pair join \(invitation.address)")
            return """
                Code         \(invitation.code)
                Address      \(invitation.address)
                This node    \(invitation.fingerprint)
                Expires      \(invitation.expiresAt.minute) UTC

                """
        }
    }
}
