import ArgumentParser
import PairWire

struct DisableHA: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disable-ha",
        abstract: "Breaks the pair: the primary goes on alone, the secondary serves nothing.",
        discussion: """
            The nodes go on trusting each other: enable-ha on either of them makes the pair again, \
            with that node as primary and nothing lost.
            """
    )

    @Flag(help: "Return only when it is done, however long that takes.")
    var wait = false

    @Flag(help: "The peer cannot be reached, and you vouch that it is down.")
    var force = false

    @Option(help: ArgumentHelp("The node that is down, with --force.", valueName: "node"))
    var confirm: String?

    @Flag(help: "Say what would be done, and change nothing.")
    var dryRun = false

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        if self.confirm != nil, !self.force {
            throw ValidationError("--confirm belongs to --force")
        }
    }

    func run() throws {
        let command = ControlCommand.disableHA(
            .init(wait: self.wait, force: self.force, confirm: self.confirm)
        )
        try self.global.run(
            command,
            OperationReport.self,
            dryRun: self.dryRun,
            waits: self.wait,
            table: OperationReport.table
        )
    }
}
