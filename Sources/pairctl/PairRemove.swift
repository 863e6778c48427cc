import ArgumentParser
import PairWire

struct PairRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Ends the trust in the peer; HA must be off.",
        discussion: """
            Tells the peer if it can be reached. A node whose vault is read-only stays so until \
            pairctl init --standalone.

            To replace a lost node, on the one that is left: `pairctl disable-ha --force --confirm \
            NODE`, `pairctl pair remove` and `pairctl pair invite`; on the new one `pairctl pair \
            join`; on the one that was left `pairctl enable-ha`.
            """
    )

    @Flag(help: "Also destroy this node's own keys; it makes new ones.")
    var wipeKeys = false

    @Flag(help: "Say what would be done, and change nothing.")
    var dryRun = false

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let outcome = try self.global.ask(
            .pairRemove(.init(wipeKeys: self.wipeKeys)),
            ControlNothing.self,
            dryRun: self.dryRun
        )
        try outcome.end()
    }
}
