import ArgumentParser
import PairCore
import PairWire

struct Wait: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Returns when what is committed now has reached the peer.",
        usage: "pairctl wait (--durable | --applied) [<options>]",
        discussion: """
            For scripts that must not go on before: `pairctl wait --durable` after a change means \
            that the change survives the loss of either node. Write one of --durable and --applied. \
            Without --timeout it waits as long as it takes, also for a peer that is not connected; \
            with it, the exit code is 75 when the time is over.
            """
    )

    enum Level: String, EnumerableFlag {
        case durable
        case applied

        static func help(for value: Level) -> ArgumentHelp? {
            switch value {
            case .durable: "It is on the peer's disk."
            case .applied: "It can be read on the peer."
            }
        }
    }

    @Flag var level: Level

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let level: ControlCommand.Wait.Level = self.level == .durable ? .durable : .applied
        try self.global.run(.wait(.init(level: level)), WaitReport.self, waits: true) { report in
            "\(report.position) \(report.level.rawValue) on \(report.secondary) after "
                + "\(StatusText.time(report.waitedSeconds))\n"
        }
    }
}
