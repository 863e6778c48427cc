import ArgumentParser
import PairWire

struct Switchover: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Exchanges the roles in one step, without loss.",
        discussion: """
            From either node. A write waits for a moment, and then fails on the old primary with a \
            clear error or, if the switchover was called off, succeeds. It ends when the roles are \
            exchanged; the pair is protected again when the new secondary has armed, a moment later.

            A transaction that an application has left open on the primary calls it off after two \
            seconds: `pairctl events` there names its process (gate.overrun).
            """
    )

    @Flag(help: "Return only when it is done, however long that takes.")
    var wait = false

    @Flag(help: "Say what would be done, and change nothing.")
    var dryRun = false

    @OptionGroup var global: GlobalOptions

    func run() throws {
        try self.global.run(
            .switchover,
            OperationReport.self,
            dryRun: self.dryRun,
            waits: self.wait,
            table: OperationReport.table
        )
    }
}
