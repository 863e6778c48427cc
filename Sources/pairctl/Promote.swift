import ArgumentParser
import PairWire

struct Promote: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes this node primary by hand, when its peer is lost.",
        discussion: """
            With the peer reachable this is a switchover. Otherwise it says first what would be \
            lost, and does nothing without --force --confirm PEER --reason TEXT: if the peer still \
            serves, both would.
            """
    )

    @Flag(help: "Although it is not known that the peer no longer serves.")
    var force = false

    @Option(help: ArgumentHelp("The peer, which is given up.", valueName: "node"))
    var confirm: String?

    @Option(help: ArgumentHelp("Why, for pairctl history and events.", valueName: "text"))
    var reason: String?

    @Flag(help: "Say what would be done, and change nothing.")
    var dryRun = false

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        if self.confirm != nil, !self.force {
            throw ValidationError("--confirm belongs to --force")
        }
    }

    func run() throws {
        let command = ControlCommand.promote(
            .init(force: self.force, confirm: self.confirm, reason: self.reason)
        )
        try self.global.run(
            command,
            OperationReport.self,
            dryRun: self.dryRun,
            table: OperationReport.table
        )
    }
}
