import ArgumentParser
import PairCore
import PairWire

struct Pair: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes two nodes trust each other.",
        discussion: """
            On one node `pairctl pair invite` gives a code, on the other `pairctl pair join` takes \
            it. That exchanges keys and nothing else: no data moves before `pairctl enable-ha`.
            """,
        subcommands: [PairInvite.self, PairJoin.self, PairShow.self, PairRemove.self]
    )

    /// Both nodes, and the fingerprint that must be the same on both.
    static func table(_ description: PairDescription) -> String {
        var lines: [String] = []
        if let fingerprint = description.fingerprint { lines.append("Fingerprint  \(fingerprint)") }
        lines.append("This node    \(self.line(description.local))")
        lines.append("Peer         " + (description.peer.map(self.line) ?? "none"))
        return lines.joined(separator: "\n") + "\n"
    }

    private static func line(_ member: PairDescription.Member) -> String {
        "\(member.name)  \(member.address)  model \(member.model)"
    }
}
