import ArgumentParser
import PairCore
import PairWire

struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compares both copies at the same transaction, while they are in use.",
        discussion: "Exit codes: 0 equal; 1 a difference was found, and is named."
    )

    @Flag(
        help: """
            Read every page from both disks and let SQLite check the secondary's copy; otherwise \
            the digests that both nodes keep are compared.
            """
    )
    var full = false

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let outcome = try self.global.ask(
            .verify(.init(full: self.full)),
            VerifyReport.self,
            waits: self.full
        )
        if let report = outcome.payload {
            switch self.global.output {
            case .json:
                StandardOutput.write(String(decoding: JSON.line(report), as: UTF8.self) + "\n")
            case .table: StandardOutput.write(Self.table(report))
            }
        }
        try outcome.end()
    }

    private static func table(_ report: VerifyReport) -> String {
        var lines = [
            "\(report.equal ? "EQUAL" : "DIFFERENT")  \(report.primary) and \(report.secondary) "
                + "at \(report.position), "
                + (report.comparedPages == 0
                    ? "by digest"
                    : StatusText.counted(report.comparedPages, "page") + " compared")
        ]
        if !report.differentPages.isEmpty {
            let pages = report.differentPages.prefix(20).map(String.init).joined(separator: ", ")
            let more = report.differentPages.count > 20 ? ", …" : ""
            let end = report.repaired ? "; repaired" : ""
            lines.append("Different pages: \(pages)\(more)\(end)")
        }
        if let words = report.integrityCheck { lines.append("integrity_check: \(words)") }
        return lines.joined(separator: "\n") + "\n"
    }
}
