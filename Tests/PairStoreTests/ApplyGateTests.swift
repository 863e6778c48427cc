import Foundation
import PairCore
import PairStore
import TestThreads
import Testing

@Suite("Apply: nobody else writes to the copy", .partOfMachine, .ownThreads)
struct ApplyGateTests {
    static let statements = [
        "INSERT INTO t(body) VALUES('x')", "UPDATE t SET body='y'", "CREATE TABLE u(x)",
        "DROP TABLE t", "VACUUM", "PRAGMA user_version=7", "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE",
        "ANALYZE", "PRAGMA application_id=9",
    ]

    @Test func `refuses every write while attached, after a stop and after a start`() throws {
        let bench = try ApplyBench()
        try bench.start()
        try bench.source.shell("INSERT INTO t(body) VALUES('a');")
        let end = try bench.level()

        try self.expectRefusals(bench, "attached")
        bench.copy.detach()
        try self.expectRefusals(bench, "detached")
        let attachment = try bench.copy.attach(.closed(marked: true))
        #expect(attachment.wasMarked)
        #expect(attachment.position == end)
        #expect(attachment.scannedDigest == end.digest)
        try self.expectRefusals(bench, "attached again")

        bench.copy.detach()
        let files = try bench.finalFiles()
        #expect(files.copy == files.source)
    }

    @Test func `has the marker in the file itself soon after it was set`() throws {
        let bench = try ApplyBench()

        _ = try bench.copy.attach(.closed(marked: true))

        _ = try CaptureBench.run(["cp", bench.path, bench.folder("look")])
        let look = try Data(contentsOf: URL(fileURLWithPath: bench.folder("look")))
        #expect(look[18] == 3 && look[19] == 2)
    }

    @Test func `lets the application write after a promotion, and captures it`() throws {
        let bench = try ApplyBench()
        try bench.start()
        try bench.source.shell("INSERT INTO t(body) VALUES('before');")
        let end = try bench.level()

        let position = try #require(bench.copy.stopApplying())
        #expect(position == end)
        try bench.copy.setMarker(false)
        let segments = Collected()
        try bench.copy.startCapture(
            epoch: Epoch(rawValue: 3),
            at: position,
            deliver: { segments.add($0.bytes) },
            report: { _ in }
        )
        try bench.copy.openGate()
        try bench.python(
            """
            app = connect()
            for i in range(20): app.execute("INSERT INTO t(body) VALUES(randomblob(5000))")
            print(app.execute("PRAGMA integrity_check").fetchone()[0])
            """
        )
        let captured = try bench.copy.captureNow(timeout: .seconds(10))

        #expect(captured.epoch == Epoch(rawValue: 3))
        #expect(captured.txid == TXID(end.txid.rawValue + 20))
        #expect(segments.all.isEmpty == false)
        #expect(bench.copy.log.newest == captured)
        bench.copy.detach()
        #expect(
            try bench.python("print(connect().execute('SELECT count(*) FROM t').fetchone()[0])")
                == "21\n"
        )
    }

    @Test func `clears the marker of a vault that is served again`() throws {
        let bench = try ApplyBench()
        _ = try bench.copy.attach(.closed(marked: true))
        bench.copy.detach()

        let attachment = try bench.copy.attach(.open)

        #expect(attachment.wasMarked)
        try bench.python("connect().execute('INSERT INTO t(body) VALUES(1)')")
    }

    private func expectRefusals(_ bench: ApplyBench, _ when: Comment) throws {
        for statement in Self.statements {
            let answer = try bench.python(
                """
                app = sqlite3.connect(path, timeout=0.02, isolation_level=None)
                try:
                    app.execute("\(statement)")
                    print("written")
                except sqlite3.OperationalError as error: print(error)
                """
            )
            #expect(
                answer.contains("readonly") || answer.contains("locked"),
                "\(when): \(statement): \(answer)"
            )
            let shell = try Client(["sqlite3", bench.path, statement]).wait()
            #expect(shell.status != 0, "\(when): \(statement): \(shell.text)")
        }
        let read = try bench.python("print(connect().execute('SELECT count(*) FROM t').fetchone())")
        #expect(read == "(1,)\n")
    }
}

/// What a callback has been given, from whichever thread.
final class Collected: @unchecked Sendable {
    // Guarded by `lock`.
    private var segments: [[UInt8]] = []
    private let lock = NSLock()

    var all: [[UInt8]] { self.lock.withLock { self.segments } }
    func add(_ bytes: [UInt8]) { self.lock.withLock { self.segments.append(bytes) } }
}
