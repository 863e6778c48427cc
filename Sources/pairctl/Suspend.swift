import ArgumentParser
import PairCore
import PairWire

struct Suspend: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Forbids automatic failover for a time, for maintenance.",
        discussion: "It expires by itself, and every status says so until then."
    )

    @Option(
        name: .customLong("for"),
        help: ArgumentHelp("How long, 1s to 10000m.", valueName: "dur")
    )
    var length: Interval

    @Flag(help: "Say what would be done, and change nothing.")
    var dryRun = false

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard self.length.duration <= FailoverTiming.longestSuspension else {
            throw ValidationError(
                "--for: at most \(Measure.text(FailoverTiming.longestSuspension))"
            )
        }
    }

    func run() throws {
        try self.global.run(
            .suspend(.init(seconds: self.length.duration.inSeconds)),
            OperationReport.self,
            dryRun: self.dryRun,
            table: OperationReport.table
        )
    }
}

struct Resume: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Allows automatic failover again."
    )

    @Flag(help: "Say what would be done, and change nothing.")
    var dryRun = false

    @OptionGroup var global: GlobalOptions

    func run() throws {
        try self.global.run(
            .resume,
            OperationReport.self,
            dryRun: self.dryRun,
            table: OperationReport.table
        )
    }
}
