import ArgumentParser
import Glibc
import PairCore
import PairWire

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what the pair is worth now, and what to type next.",
        discussion: """
            Exit codes: 0 protected or standalone; 1 degraded or unpaired; 2 unprotected, diverged \
            or down; 3 the daemon is not running or does not answer.
            """
    )

    @Flag(help: "Show it again and again, until Ctrl-C.")
    var watch = false

    @Option(help: ArgumentHelp("How often with --watch.", valueName: "dur"))
    var interval = Interval(.seconds(2))

    @OptionGroup var global: GlobalOptions

    func run() throws {
        guard self.watch else { throw ExitCode(self.show()) }
        let clearsScreen = isatty(STDOUT_FILENO) == 1 && self.global.output == .table
        while true {
            if clearsScreen { StandardOutput.write("\u{1B}[H\u{1B}[2J") }
            _ = self.show()
            let (seconds, attoseconds) = self.interval.duration.components
            var pause = timespec(
                tv_sec: Int(seconds),
                tv_nsec: Int(attoseconds / 1_000_000_000)
            )
            nanosleep(&pause, nil)
        }
    }

    /// Writes the status and returns the code to exit with.
    private func show() -> Int32 {
        do {
            let outcome = try self.global.ask(.status, StatusReport.self)
            if !outcome.message.isEmpty { StandardError.write(outcome.message) }
            guard let report = outcome.payload else { return 3 }
            switch self.global.output {
            case .json:
                let line = String(decoding: JSON.line(report), as: UTF8.self) + "\n"
                StandardOutput.write(self.watch ? line : JSON.text(report))
            case .table:
                let table = StatusTable(report, isColoured: self.global.isColoured)
                StandardOutput.write(table.text)
            }
            return report.verdict.exitCode
        } catch {
            // What is wrong has been said already. Whoever may not ask hears that, not "no daemon".
            let code = (error as? ExitCode)?.rawValue ?? 3
            return code == 77 || code == 64 ? code : 3
        }
    }
}
