import ArgumentParser
import PairCore
import PairWire

struct Wait: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Returns when what is committed now has reached the peer.",
        discussion: """
            For scripts that must not go on before: `pairctl wait --durable` after a change means \
            that the change survives the loss of either node.
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
        try self.global.run(.wait(.init(level: level)), WaitReport.self) { report in
            "\(report.position) \(report.level.rawValue) on \(report.secondary) after "
                + "\(StatusText.time(report.waitedSeconds))\n"
        }
    }
}
