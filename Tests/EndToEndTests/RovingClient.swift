import Foundation
import PairLab

/// An application in Python on the stock SQLite library that follows the primary, as the clients of
/// a load balancer do: it writes where `/primary` answers 200, and connects anew when it is refused.
///
/// Every transaction adds one entry, numbered upwards without a gap, and moves money between two of
/// the ledger's accounts. One that SQLite refuses is written again, so that a refusal of what was
/// committed after all shows as a number that is there twice.
struct RovingClient: Sendable {
    /// What SQLite has said is committed.
    struct Commit: Sendable {
        var number: Int
        var node: LabNode
        /// Since the commit before it, the client's own rest included.
        var gap: Duration
    }

    /// The table that it writes to; for ``Ledger/make(in:on:pageSize:more:)``.
    static let schema = """
        CREATE TABLE entry (number INTEGER NOT NULL, node INTEGER NOT NULL, secret BLOB NOT NULL);
        """

    /// Between two transactions.
    static let rest = Duration.milliseconds(2)

    private static let program = """
        import sqlite3, sys, time, urllib.request
        number, rest = int(sys.argv[1]), float(sys.argv[2])
        nodes = [(1, sys.argv[3], sys.argv[4]), (2, sys.argv[5], sys.argv[6])]
        last = time.monotonic()

        def serves(port):
            try:
                url = f"http://127.0.0.1:{port}/primary"
                with urllib.request.urlopen(url, timeout=0.3) as answer:
                    return answer.status == 200
            except OSError:
                return False

        def write(db, node):
            global number, last
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT INTO entry VALUES (?, ?, randomblob(64))", (number, node))
            for change, account in ((-1, number % 50), (1, (number * 7 + 3) % 50)):
                db.execute("UPDATE account SET balance = balance + ? WHERE id = ?",
                           (change, account + 1))
            db.execute("COMMIT")
            now = time.monotonic()
            print("ok", number, node, int((now - last) * 1e6), flush=True)
            number, last = number + 1, now

        while True:
            found = [entry for entry in nodes if serves(entry[1])]
            if not found:
                time.sleep(0.01)
                continue
            node, port, vault = found[-1]
            db = None
            try:
                db = sqlite3.connect(f"file:{vault}?mode=rw", uri=True, timeout=2,
                                     isolation_level=None)
                asked = time.monotonic()
                while time.monotonic() - asked < 0.2 or serves(port):
                    if time.monotonic() - asked >= 0.2:
                        asked = time.monotonic()
                    write(db, node)
                    time.sleep(rest)
            except sqlite3.Error as error:
                print("no", number, node, error, flush=True)
            finally:
                if db is not None:
                    db.close()
        """

    private let process: PythonProgram
    let first: Int

    /// - Parameter first: the number of its first transaction.
    init(_ lab: LabPair, from first: Int) throws {
        self.first = first
        let nodes = LabNode.allCases.flatMap {
            ["\(lab[$0].healthPort)", lab.folder.vault($0)]
        }
        self.process = try PythonProgram(
            lab,
            "client-\(first)",
            Self.program,
            ["\(first)", "\(Self.rest / .seconds(1))"] + nodes
        )
    }

    /// Ends it in the midst of whatever it does; whether its last transaction is committed, only
    /// the vault knows.
    func kill() { self.process.kill() }

    /// Everything that it knows to be committed.
    var commits: [Commit] {
        self.process.lines.compactMap { line in
            let words = line.split(separator: " ")
            guard words.count == 4, words[0] == "ok", let number = Int(words[1]),
                let node = Int(words[2]).flatMap(LabNode.init), let gap = Int(words[3])
            else { return nil }
            return Commit(number: number, node: node, gap: .microseconds(gap))
        }
    }

    /// The number of its newest commit; the one before its first when there is none.
    var newest: Int { self.commits.last?.number ?? self.first - 1 }

    /// What else it has said: refusals, and whatever Python complains of.
    var complaints: [String] {
        self.process.lines.filter { !$0.hasPrefix("ok ") }.map(String.init)
    }

    /// Waits until it has committed `count` more transactions, on one node if it is named.
    func commits(_ count: Int, on node: LabNode? = nil) async throws {
        let known = self.newest
        let place = node.map { " on \($0.name)" } ?? ""
        try await eventually("the client commits \(count) more\(place)") {
            self.commits.count { $0.number > known && (node == nil || $0.node == node) } >= count
        }
    }
}
