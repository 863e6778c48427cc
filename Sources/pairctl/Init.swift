import ArgumentParser
import PairWire

struct Init: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Declares a node that serves alone, without a peer.",
        discussion: """
            Makes the vault writable here. Refused on a secondary whose pair has HA on: switch it \
            off first, with pairctl disable-ha.
            """
    )

    @Flag(help: "This node serves alone.")
    var standalone = false

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
            .initialize,
            OperationReport.self,
            dryRun: self.dryRun,
            table: OperationReport.table
        )
    }
}
