import ArgumentParser
import PairCore
import PairWire

struct EnableHA: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enable-ha",
        abstract: "Makes this node the pair's primary and the peer its secondary.",
        discussion: """
            If the peer serves now, it goes on until this node is in sync and then hands over. \
            Refused when both sides hold changes that the other lacks, until you say which to give \
            up: `--discard-peer-vault --confirm PEER` gives up the peer's, after archiving them; \
            where the peer serves and this node holds a vault of its own, `--confirm NODE` with \
            this node's name gives up that one.

            A transaction that an application has left open on the node that serves keeps the roles \
            from being exchanged: `pairctl events` there names its process (gate.overrun). To give \
            up instead: `pairctl disable-ha` on this node.

            With a new node in place of a lost one, type it on the node that was left, after \
            `pairctl pair remove`, `pair invite` and, on the new node, `pair join`.
            """
    )

    @Flag(
        help: """
            Return only when the pair is protected, or kept from it by nothing but an archive that \
            waits for an operator; else as soon as it is under way.
            """
    )
    var wait = false

    @Flag(help: "Archive the peer's vault and give up what only it holds.")
    var discardPeerVault = false

    @Option(
        help: ArgumentHelp("The node whose vault is archived and given up.", valueName: "node")
    )
    var confirm: String?

    @Flag(help: "Say what would be done, and change nothing.")
    var dryRun = false

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let command = ControlCommand.enableHA(
            .init(
                wait: self.wait,
                discardPeerVault: self.discardPeerVault,
                confirm: self.confirm
            )
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

extension OperationReport {
    /// Who is what now.
    static func table(_ report: OperationReport) -> String {
        """
        Primary    \(report.primary ?? "-")
        Secondary  \(report.secondary ?? "-")
        Verdict    \(report.verdict.rawValue)

        """
    }
}
