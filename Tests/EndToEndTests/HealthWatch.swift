import Foundation
import PairLab

/// Asks both nodes' `/primary` twenty times a second, as a balancer does, and finds what must not
/// be: both say yes while they can reach each other, or one says yes where a write is refused.
///
/// One program per node, each with its own rhythm; what they have seen is compared by the machine's
/// clock afterwards.
struct HealthWatch: Sendable {
    struct Record: Sendable {
        /// How often each node was asked, and has said yes.
        var looks: [LabNode: Int] = [:]
        var yes: [LabNode: Int] = [:]
        /// From the first question to the last.
        var duration = Duration.zero
        var complaints: [String] = []

        /// Questions to each node in a second.
        var rate: Double {
            let fewest = LabNode.allCases.map { self.looks[$0] ?? 0 }.min() ?? 0
            return Double(fewest) / max(self.duration / .seconds(1), 1)
        }
    }

    /// After a yes it writes on a new connection, as a client would that the balancer sends there;
    /// a refusal counts when the node says yes again after it, under the same epoch.
    private static let program = """
        import http.client, signal, sqlite3, sys, time
        port, vault = int(sys.argv[1]), sys.argv[2]
        running = True

        def end(*_):
            global running
            running = False

        signal.signal(signal.SIGTERM, end)

        def ask():
            asked = time.monotonic_ns()
            try:
                link = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
                link.request("GET", "/primary")
                answer = link.getresponse()
                epoch = answer.headers["X-Pair-Epoch"] if answer.status == 200 else None
                link.close()
            except (OSError, http.client.HTTPException):
                epoch = None
            print("ask", asked // 1000, time.monotonic_ns() // 1000, epoch or "-", flush=True)
            return epoch

        def refusal():
            try:
                db = sqlite3.connect(f"file:{vault}?mode=rw", uri=True, timeout=5,
                                     isolation_level=None)
            except sqlite3.Error as error:
                return error
            try:
                db.execute("BEGIN IMMEDIATE")
                db.execute("UPDATE counter SET value = value")
                db.execute("ROLLBACK")
            except sqlite3.Error as error:
                return error
            finally:
                db.close()

        due = time.monotonic()
        while running:
            epoch = ask()
            if epoch:
                error = refusal()
                if error is not None and ask() == epoch:
                    print("refused", epoch, error, flush=True)
            due = max(due + 0.05, time.monotonic())
            time.sleep(max(due - time.monotonic(), 0))
        """

    /// One question: when it was asked and answered, on the machine's clock in microseconds, and
    /// the epoch under which the node has said yes.
    private struct Look {
        var asked: Int
        var answered: Int
        var epoch: String?

        init?(_ line: Substring) {
            let words = line.split(separator: " ")
            guard words.count == 4, words[0] == "ask", let asked = Int(words[1]),
                let answered = Int(words[2])
            else { return nil }
            (self.asked, self.answered) = (asked, answered)
            self.epoch = words[3] == "-" ? nil : String(words[3])
        }
    }

    private let programs: [LabNode: PythonProgram]

    init(_ lab: LabPair) throws {
        var programs: [LabNode: PythonProgram] = [:]
        for node in LabNode.allCases {
            programs[node] = try PythonProgram(
                lab,
                "watch-\(node.name)",
                Self.program,
                ["\(lab[node].healthPort)", lab.folder.vault(node)]
            )
        }
        self.programs = programs
    }

    func kill() { for program in self.programs.values { program.kill() } }

    /// Ends the watch.
    ///
    /// - Returns: everything that was seen.
    func finish() -> Record {
        var record = Record()
        var looks: [LabNode: [Look]] = [:]
        for (node, program) in self.programs {
            program.finish()
            let lines = program.lines
            let found = lines.compactMap { Look($0) }
            looks[node] = found
            record.looks[node] = found.count
            record.yes[node] = found.count { $0.epoch != nil }
            record.duration = max(
                record.duration,
                .microseconds((found.last?.answered ?? 0) - (found.first?.asked ?? 0))
            )
            record.complaints += lines.filter { !$0.hasPrefix("ask ") }.map {
                "\(node.name): \($0)"
            }
        }
        for node in LabNode.allCases {
            record.complaints += self.overlaps(looks[node] ?? [], looks[node.other] ?? [])
        }
        return record
    }

    /// Where one says yes between two times that the other says yes under one epoch.
    private func overlaps(_ mine: [Look], _ others: [Look]) -> [String] {
        var found: [String] = []
        var next = others[...]
        for (before, after) in zip(mine, mine.dropFirst()) {
            guard let epoch = before.epoch, after.epoch == epoch else { continue }
            next = next.drop { $0.asked < before.answered }
            for other in next.prefix(while: { $0.answered <= after.asked }) {
                guard let theirs = other.epoch else { continue }
                found.append("both say yes at \(other.asked), under epoch \(epoch) and \(theirs)")
            }
        }
        return found
    }
}
