import ArgumentParser
import Dispatch
import Glibc
import PairCore
import PairLab

/// The table of numbers: what a pair costs and how fast it is, on this machine and now.
@main
struct PairBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pair-bench",
        abstract: "Measures a real pair on this machine against its targets.",
        discussion: """
            Starts two daemons on loopback for every case, loads them through the stock SQLite \
            library, and takes everything away again. Machines differ and disks are noisy: what \
            counts are the ratios, each taken within one run with the control runs in between. \
            Every figure is the median of its rounds. Cases: \
            \(BenchCase.allCases.map { "\($0.rawValue) (\($0.summary))" }.joined(separator: "; ")).
            """,
        version: Release.version
    )

    @Argument(help: "What to measure (default: everything).")
    var cases: [BenchCase] = []

    @Option(help: "How often each figure is taken.")
    var rounds = 5

    @Option(help: "The length of one round of a load, in seconds (default: each case's own).")
    var seconds: Double?

    @Option(
        help: ArgumentHelp("The vault of seed and delta, as 256MiB or 1GiB.", valueName: "size")
    )
    var size = "256MiB"

    @Flag(help: "Keep the load on core 0 and the daemons on core 1.")
    var pin = false

    @Flag(help: "Print one JSON object instead of the table.")
    var json = false

    func validate() throws {
        guard self.rounds >= 1 else { throw ValidationError("--rounds is at least 1") }
        guard self.seconds.map({ (0.1...3600).contains($0) }) ?? true else {
            throw ValidationError("--seconds is 0.1 to 3600")
        }
        guard (try? Measure.byteCount(self.size)) != nil else {
            throw ValidationError("--size is a whole number and its unit, as 256MiB or 1GiB")
        }
        guard !self.pin || Processor.count >= 2 else {
            throw ValidationError("--pin needs two cores")
        }
    }

    func run() async throws {
        let scratch = Scratch()
        let interruptions = scratch.removeWhenInterrupted()
        defer { for source in interruptions { source.cancel() } }
        let bench = Bench(
            rounds: self.rounds,
            roundLength: self.seconds.map { .milliseconds(Int64($0 * 1000)) },
            largeVaultBytes: Int(clamping: try Measure.byteCount(self.size)),
            isPinned: self.pin,
            scratch: scratch
        )
        if self.pin { try await Processor.pin(getpid(), to: Bench.loadCore) }
        if !self.json { Console.say(BenchTable.heading) }
        var reports: [CaseReport] = []
        for benchCase in self.cases.isEmpty ? BenchCase.allCases : self.cases {
            let start = Monotonic.now
            var report = CaseReport(benchCase: benchCase, figures: [], seconds: 0)
            do {
                report.figures = try await benchCase.run(bench)
            } catch {
                await scratch.giveWayToInterruption()
                report.failure = "\(error)"
            }
            report.seconds = Monotonic.seconds(since: start)
            if !self.json { Console.say(BenchTable.text(report)) }
            reports.append(report)
        }
        if self.json { Console.say(try BenchDocument(reports, version: Release.version).text()) }
        if reports.contains(where: { $0.failure != nil }) { throw ExitCode.failure }
    }
}
