import ArgumentParser
import PairWire

struct Init: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Declares a node that serves alone, without a peer.",
        discussion: """
            Makes the vault writable here. Refused on a secondary whose pair has HA on: switch it \
            off first, with pairctl disable-ha. Where the peer serves, its name has to be said: two \
            vaults that are both written to go apart.
            """
    )

    @Flag(help: "This node serves alone.")
    var standalone = false

    @Option(help: ArgumentHelp("The peer that serves already.", valueName: "node"))
    var confirm: String?

    @Flag(help: "Say what would be done, and change nothing.")
    var dryRun = false

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard self.standalone else {
            throw ValidationError(
                "write pairctl init --standalone; to make a pair instead: pairctl pair invite"
            )
        }
    }

    func run() throws {
        try self.global.run(
            .initialize(.init(confirm: self.confirm)),
            OperationReport.self,
            dryRun: self.dryRun,
            table: OperationReport.table
        )
    }
}
