import ArgumentParser
import PairCore
import PairLab

/// A real pair on loopback: to look at, to break and to try an operator's commands on.
@main
struct PairLabCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pair-lab",
        abstract: "A real pair on this machine, with timers that can be watched.",
        discussion: """
            `pair-lab up` leaves two daemons running, paired and with HA on; break them with kill, \
            pause and cut, mend them with heal, and end with down. `pair-lab demo` shows all of it \
            by itself and leaves nothing behind.
            """,
        version: Release.version,
        subcommands: [
            Up.self, ShowStatus.self, Kill.self, Pause.self, Cut.self, Heal.self, Down.self,
            Demo.self, Link.self,
        ]
    )
}

/// Which lab.
struct LabOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where the lab lies (default: one for you, in the temporary folder).",
            valueName: "path"
        )
    )
    var folder: String?

    var chosen: LabFolder { self.folder.map { LabFolder(path: $0) } ?? .standard }

    func find() throws -> LabPair { try LabPair.find(in: self.chosen) }
}

extension LabNode: ExpressibleByArgument {}
