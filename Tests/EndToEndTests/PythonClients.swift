import Foundation
import PairLab

/// A program in Python on the stock SQLite library, and what it has said so far.
///
/// It ends with whoever has started it, also where a test fails.
final class PythonProgram: Sendable {
    private let process: ChildProcess
    private let log: String

    init(_ lab: LabPair, _ name: String, _ program: String, _ arguments: [String]) throws {
        self.log = lab.folder.path + "/\(name)-\(UInt32.random(in: 0...UInt32.max)).log"
        self.process = try ChildProcess(
            try Programs.system("python3"),
            ["-c", program] + arguments,
            output: .file(self.log),
            errors: .file(self.log)
        )
    }

    /// Whole lines of what it has said; never the one that is just being written.
    var lines: [Substring] {
        let text = (try? String(contentsOfFile: self.log, encoding: .utf8)) ?? ""
        return text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    }

    /// Its newest whole line, found from the end, because the log of a busy program is long.
    var lastLine: Substring? {
        guard let file = FileHandle(forReadingAtPath: self.log) else { return nil }
        defer { try? file.close() }
        let size = (try? file.seekToEnd()) ?? 0
        try? file.seek(toOffset: size > 4096 ? size - 4096 : 0)
        let end = String(decoding: (try? file.readToEnd()) ?? Data(), as: UTF8.self)
        return end.split(separator: "\n", omittingEmptySubsequences: false).dropLast().last
    }

    var hasEnded: Bool { self.process.status != nil }

    /// Ends it in the midst of whatever it does.
    func kill() {
        self.process.signal(SIGKILL)
        _ = self.process.wait()
    }

    /// Asks it to end when it has done what it is at.
    func finish() {
        self.process.signal(SIGTERM)
        _ = self.process.wait()
    }

    deinit { self.kill() }
}

/// The application: it keeps the ledger on node 1, one transaction after the other, going on from
/// what it finds in the vault.
struct LedgerApplication: Sendable {
    private static let program = """
        import signal, sqlite3, sys, time
        path, rate = sys.argv[1], float(sys.argv[2])
        running = True

        def end(*_):
            global running
            running = False

        signal.signal(signal.SIGTERM, end)
        db = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=5, isolation_level=None)
        number, = db.execute("SELECT value FROM counter").fetchone()
        print("has", number, flush=True)
        began, first = time.monotonic(), number
        while running:
            number += 1
            db.execute("BEGIN IMMEDIATE")
            for change, account in ((-1, number % 50), (1, (number * 7 + 3) % 50)):
                db.execute("UPDATE account SET balance = balance + ? WHERE id = ?",
                           (change, account + 1))
            db.execute("INSERT INTO credential (id, name, secret) VALUES (?, ?, randomblob(?))",
                       (number, f"service-{number}", 16 + number % 500))
            db.execute("UPDATE counter SET value = ?", (number,))
            db.execute("COMMIT")
            print("ok", number, flush=True)
            if rate:
                early = began + (number - first) / rate - time.monotonic()
                if early > 0:
                    time.sleep(early)
        db.close()
        """

    private let process: PythonProgram

    /// - Parameter rate: transactions per second; `nil` as fast as SQLite is.
    init(_ lab: LabPair, rate: Int?) throws {
        self.process = try PythonProgram(
            lab,
            "application",
            Self.program,
            [lab.folder.vault(.one), "\(rate ?? 0)"]
        )
    }

    /// The newest transaction of which it knows that it is committed.
    ///
    /// - Throws: when SQLite has refused it anything; nothing that we do may make it do so.
    var committed: Int {
        get throws {
            guard let line = self.process.lastLine else { return 0 }
            let words = line.split(separator: " ")
            if words.count == 2, ["has", "ok"].contains(words[0]), let number = Int(words[1]) {
                return number
            }
            throw LabError.unexpected("the application was refused: \(line)")
        }
    }

    /// Waits until it has committed `count` more.
    func commits(_ count: Int) async throws {
        let goal = try self.committed + count
        try await eventually("the application commits \(count) more", within: .seconds(120)) {
            try self.committed >= goal
        }
    }

    func kill() { self.process.kill() }
    func finish() { self.process.finish() }
}

/// A reader on node 2 that never stops looking, whatever happens to daemons, and complains of what
/// cannot be: a sum that has changed, a transaction half there, a counter that has gone back, a
/// vault in which SQLite finds a fault, a refusal.
struct LedgerObserver: Sendable {
    private static let program = """
        import signal, sqlite3, sys, time
        path, total = sys.argv[1], int(sys.argv[2])
        running, looks, newest = True, 0, 0

        def end(*_):
            global running
            running = False

        signal.signal(signal.SIGTERM, end)
        db = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=5, isolation_level=None)
        while running:
            looks += 1
            try:
                seen = db.execute(
                    "SELECT (SELECT sum(balance) FROM account), (SELECT value FROM counter),"
                    " (SELECT count(*) FROM credential), (SELECT coalesce(max(id), 0)"
                    " FROM credential)").fetchone()
                balance, counter, count, last = seen
                if balance != total or not counter == count == last:
                    print("complaint", looks, "inconsistent", seen, flush=True)
                if counter < newest:
                    print("complaint", looks, "went back from", newest, "to", counter, flush=True)
                newest = max(newest, counter)
                if looks % 500 == 0:
                    found = db.execute("PRAGMA integrity_check").fetchall()
                    if found != [("ok",)]:
                        print("complaint", looks, found[:3], flush=True)
                    print("look", looks, newest, flush=True)
            except sqlite3.Error as error:
                print("complaint", looks, error, flush=True)
            time.sleep(0.002)
        print("look", looks, newest, flush=True)
        """

    private let process: PythonProgram

    init(_ lab: LabPair, _ number: Int) throws {
        self.process = try PythonProgram(
            lab,
            "observer-\(number)",
            Self.program,
            [lab.folder.vault(.two), "\(Ledger.sum)"]
        )
    }

    /// Lets it end.
    ///
    /// - Returns: how often it has looked and the newest transaction it has seen, and everything
    ///   else that it has said.
    func finish() -> (looks: Int, newest: Int, complaints: [String]) {
        self.process.finish()
        var result = (looks: 0, newest: 0, complaints: [String]())
        for line in self.process.lines {
            let words = line.split(separator: " ")
            if words.count == 3, words[0] == "look", let looks = Int(words[1]),
                let newest = Int(words[2])
            {
                (result.looks, result.newest) = (looks, newest)
            } else {
                result.complaints.append(String(line))
            }
        }
        return result
    }
}
