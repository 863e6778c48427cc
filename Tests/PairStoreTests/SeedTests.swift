import Foundation
import PairCore
import PairStore
import PairWAL
import Synchronization
import TestThreads
import Testing

@Suite("Seed: a whole copy where there is none", .partOfMachine, .ownThreads)
struct SeedTests {
    static let setup = """
        CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB);
        WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 300)
        INSERT INTO t SELECT i, randomblob(3000) FROM n;
        """

    @Test(arguments: [512, 4_096, 65_536])
    func `comes into being while the application commits`(pageSize: Int) throws {
        let bench = try SeedBench(pageSize: pageSize, setup: Self.setup)
        let sink = try bench.begin()

        try bench.send(to: sink, slices: 8) { slice in
            try bench.source.shell(
                """
                INSERT INTO t(body) VALUES(randomblob(40000)); DELETE FROM t WHERE id % 9 = \(slice);
                UPDATE t SET body='seen' WHERE id % 50 = 0;
                """
            )
            if slice == 3 { try bench.source.shell("VACUUM") }
        }
        let position = try bench.end(sink)

        #expect(bench.copy.applied == position)
        #expect(bench.copy.log.newest == position)
        try bench.source.shell("INSERT INTO t(body) VALUES('after');")
        try bench.applyRest()
        #expect(bench.copy.applied == (try bench.source.settle()))
        try bench.expectEqualFiles()
        #expect(!FileManager.default.fileExists(atPath: bench.path + ".seed"))
    }

    @Test func `takes the place of an empty vault and keeps its mode`() throws {
        let bench = try SeedBench(setup: Self.setup)
        _ = try CaptureBench.run(["sqlite3", bench.path, "PRAGMA journal_mode=WAL"])
        chmod(bench.path, 0o640)

        let sink = try bench.begin()
        try bench.send(to: sink, slices: 1) { _ in }
        try bench.end(sink)

        let mode = try FileManager.default.attributesOfItem(atPath: bench.path)[.posixPermissions]
        #expect(mode as? Int == 0o640)
        try bench.expectEqualFiles()
    }

    @Test func `closes nothing of others when it is refused`() throws {
        let bench = try SeedBench(setup: Self.setup)
        _ = try CaptureBench.run(["sqlite3", bench.path, "PRAGMA journal_mode=WAL"])
        let reader = try bench.openElsewhere()
        let pageSize = try #require(PageSize(byteCount: 4_096))

        // The numbers that a refusal has closed are the first that others are given.
        let lost = Mutex<Int?>(nil)
        let isOver = Mutex(false)
        let ended = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            var count = 0
            while !isOver.withLock({ $0 }) {
                let descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC)
                for _ in 0..<8 where fcntl(descriptor, F_GETFD) < 0 {
                    count += 1
                    break
                }
                close(descriptor)
            }
            lost.withLock { $0 = count }
            ended.signal()
        }
        for _ in 0..<500 {
            #expect(throws: VaultError.self) {
                try bench.copy.beginSeed(pageSize: pageSize, pageCount: 1)
            }
        }
        isOver.withLock { $0 = true }
        ended.wait()

        #expect(lost.withLock { $0 } == 0)
        reader.kill()
        _ = reader.wait()
    }

    @Test func `is refused while somebody has the vault open, and says who`() throws {
        let bench = try SeedBench(setup: Self.setup)
        _ = try CaptureBench.run(["sqlite3", bench.path, "PRAGMA journal_mode=WAL"])
        let reader = try bench.openElsewhere()

        let error = #expect(throws: VaultError.self) { try bench.begin() }
        #expect(error == .attached(path: bench.path, pids: [reader.pid]))
        #expect(error?.description.contains("close them") == true)

        reader.kill()
        _ = reader.wait()
        let sink = try bench.begin()
        try bench.send(to: sink, slices: 1) { _ in }
        let late = try bench.openElsewhere()
        #expect(throws: VaultError.self) { try bench.end(sink) }
        late.kill()
        _ = late.wait()
        try bench.end(sink)
        try bench.expectEqualFiles()
    }

    @Test func `leaves nothing behind when it is given up or wrong`() throws {
        let bench = try SeedBench(setup: Self.setup)
        let sink = try bench.begin()
        try bench.send(to: sink, slices: 1) { _ in }
        sink.abandon()
        #expect(!FileManager.default.fileExists(atPath: bench.path + ".seed"))
        #expect(!FileManager.default.fileExists(atPath: bench.path))

        let wrong = try bench.begin()
        try bench.send(to: wrong, slices: 1, damaging: PageNumber(7)) { _ in }
        #expect(throws: VaultError.self) { try bench.end(wrong) }
        #expect(!FileManager.default.fileExists(atPath: bench.path))

        let short = try bench.begin()
        try bench.send(to: short, slices: 1, skipping: PageNumber(7)) { _ in }
        #expect(throws: VaultError.self) { try bench.end(short) }
        #expect(!FileManager.default.fileExists(atPath: bench.path))
    }

    @Test func `can be preceded by moving an old vault aside`() throws {
        let bench = try SeedBench(setup: Self.setup)
        _ = try CaptureBench.run(["cp", bench.source.path, bench.path])
        _ = try bench.copy.attach(.closed(marked: true))
        #expect(try bench.copy.integrityCheck() == "ok")

        let folder = try #require(try bench.copy.moveAside())

        #expect(!FileManager.default.fileExists(atPath: bench.path))
        let kept = try CaptureBench.run(["sqlite3", folder + "/copy.db", "SELECT count(*) FROM t"])
        #expect(kept == "300\n")
        #expect(try bench.copy.moveAside() == nil)
        let sink = try bench.begin()
        try bench.send(to: sink, slices: 1) { _ in }
        try bench.end(sink)
        try bench.expectEqualFiles()
    }

    @Test func `does not play an old log over the new file`() throws {
        let bench = try SeedBench(setup: Self.setup)
        // A vault was deleted by hand, its log was not.
        _ = try CaptureBench.run([
            "python3", "-c",
            CaptureBench.preamble + """
                app = connect()
                app.execute("PRAGMA journal_mode=WAL")
                app.execute("CREATE TABLE old(x)")
                os.remove(path)
                os.kill(os.getpid(), 9) if os.fork() == 0 else os.wait()
                os._exit(0)
                """, bench.path,
        ])
        #expect(FileManager.default.fileExists(atPath: bench.path + "-wal"))

        let sink = try bench.begin()
        try bench.send(to: sink, slices: 2) { _ in }
        try bench.end(sink)

        try bench.expectEqualFiles()
    }
}

@Suite("Delta: a copy that has parted from the primary", .partOfMachine, .ownThreads)
struct DeltaTests {
    @Test(arguments: [512, 4_096, 65_536])
    func `takes only what differs, and readers see one vault or the other`(pageSize: Int) throws {
        let bench = try SeedBench(pageSize: pageSize, setup: SeedTests.setup)
        _ = try CaptureBench.run(["cp", bench.source.path, bench.path])
        _ = try CaptureBench.run([
            "sqlite3", bench.path,
            """
            PRAGMA journal_mode=WAL; UPDATE t SET body=randomblob(10) WHERE id % 40 = 1;
            INSERT INTO t(body) SELECT randomblob(9000) FROM t WHERE id < 60;
            """,
        ])
        let before = try bench.count()
        let attachment = try bench.copy.attach(.closed(marked: true))
        #expect(attachment.position == nil)
        let sink = try bench.begin(delta: true)

        let sent = try bench.send(to: sink, slices: 6) { slice in
            try bench.source.shell(
                """
                INSERT INTO t(body) VALUES(randomblob(20000)); DELETE FROM t WHERE id % 19 = \(slice);
                """
            )
            if slice == 4 { try bench.source.shell("VACUUM") }
            #expect(try bench.count() == before)
        }
        let position = try bench.end(sink)

        #expect(sent > 0)
        if pageSize < 65_536 { #expect(sent < bench.plannedPages) }
        #expect(bench.copy.applied == position)
        #expect(try bench.count() != before)
        try bench.source.shell("INSERT INTO t(body) VALUES('after');")
        try bench.applyRest()
        try bench.expectEqualFiles()
    }

    @Test func `leaves the copy as it was when it is given up or wrong`() throws {
        let bench = try SeedBench(setup: SeedTests.setup)
        _ = try CaptureBench.run(["cp", bench.source.path, bench.path])
        _ = try CaptureBench.run([
            "sqlite3", bench.path, "PRAGMA journal_mode=WAL; DELETE FROM t WHERE id > 100;",
        ])
        let found = try bench.copy.attach(.closed(marked: true))

        let given = try bench.begin(delta: true)
        try bench.send(to: given, slices: 1) { _ in }
        given.abandon()
        let wrong = try bench.begin(delta: true)
        try bench.send(to: wrong, slices: 1, damaging: bench.lastWanted) { _ in }
        #expect(throws: VaultError.self) { try bench.end(wrong) }

        #expect(try bench.count() == 100)
        bench.copy.detach()
        let again = try bench.copy.attach(.closed(marked: true))
        #expect(again.scannedDigest == found.scannedDigest)
        let right = try bench.begin(delta: true)
        try bench.send(to: right, slices: 1) { _ in }
        try bench.end(right)
        try bench.expectEqualFiles()
    }
}

/// A primary that sends a copy as the protocol says, and the place it comes to.
final class SeedBench: Sendable {
    let source: CaptureBench
    let folder: TemporaryFolder
    let copy: Vault
    private let sent = Mutex(0)
    private let wanted = Mutex<[PageNumber]>([])

    var path: String { self.folder("copy.db") }
    var lastWanted: PageNumber? { self.wanted.withLock { $0.last } }
    var plannedPages: Int { self.planned.withLock { $0 } }
    private let planned = Mutex(0)

    init(pageSize: Int = 4_096, setup: String) throws {
        self.source = try CaptureBench(pageSize: pageSize, setup: setup)
        self.folder = try TemporaryFolder()
        self.copy = try ApplyBench.vault(self.folder)
        try self.source.startCapture()
    }

    deinit { self.copy.detach() }

    /// An application that has the vault open at the place of the copy.
    func openElsewhere() throws -> Client {
        let word = "open-\(UUID().uuidString)"
        let client = try Client(
            python: """
                app = connect()
                app.execute("SELECT count(*) FROM sqlite_schema").fetchone()
                open(sys.argv[2], "w").close()
                while True: time.sleep(1)
                """,
            on: self.path,
            self.folder(word)
        )
        try self.folder.waitForFile(word)
        return client
    }

    /// Fixes where the copy begins.
    func begin(delta: Bool = false) throws -> any CopySink {
        let mark = try self.mark()
        defer { mark.end() }
        self.sent.withLock { $0 = self.source.captured.count }
        self.planned.withLock { $0 = Int(mark.pageCount) }
        let sink =
            delta
            ? try self.copy.beginDelta(pageCount: mark.pageCount)
            : try self.copy.beginSeed(pageSize: mark.pageSize, pageCount: mark.pageCount)
        let all = (1...mark.pageCount).map { PageNumber($0) }
        var wanted = all
        if delta {
            let hashes = all.flatMap { page in
                let lanes = mark.pages[page].lanes
                return [lanes.0, lanes.1].flatMap { lane in
                    (0..<8).map { UInt8(truncatingIfNeeded: lane >> (8 * UInt64($0))) }
                }
            }
            let bitmap = try sink.differing(first: .first, shortHashes: hashes)
            wanted = all.filter { page in
                let index = Int(page.rawValue) - 1
                return bitmap[index / 8] & 1 << UInt8(index % 8) != 0
            }
        }
        self.wanted.withLock { $0 = wanted }
        return sink
    }

    /// Sends the pages in slices, each under a mark of its own, and segments in between.
    ///
    /// - Returns: how many pages were sent.
    @discardableResult
    func send(
        to sink: any CopySink,
        slices: Int,
        damaging damaged: PageNumber? = nil,
        skipping skipped: PageNumber? = nil,
        between: (Int) throws -> Void
    ) throws -> Int {
        let wanted = self.wanted.withLock { $0 }
        let size = max(1, (wanted.count + slices - 1) / slices)
        for slice in 0..<slices {
            try between(slice)
            try self.source.settle()
            let mark = try self.mark()
            for page in wanted.dropFirst(slice * size).prefix(size)
            where page.rawValue <= mark.pageCount && page != mark.pageSize.lockPage {
                guard page != skipped else { continue }
                var image = [UInt8](repeating: 0, count: mark.pageSize.byteCount)
                try image.withUnsafeMutableBytes { try mark.read(page, into: $0) }
                if page == damaged { image[99] ^= 1 }
                try sink.take(page: page, image: image[...])
            }
            mark.end()
            try self.sendSegments { try sink.take(segment: $0) }
        }
        return wanted.count
    }

    @discardableResult
    func end(_ sink: any CopySink) throws -> Position {
        let position = try self.source.settle()
        try self.sendSegments { try sink.take(segment: $0) }
        try sink.finish(at: position)
        return position
    }

    func applyRest() throws {
        try self.source.settle()
        try self.sendSegments { try self.copy.apply([$0]) }
    }

    private func sendSegments(_ take: ([UInt8]) throws -> Void) throws {
        let all = self.source.captured
        for bytes in all.dropFirst(self.sent.withLock { $0 }) { try take(bytes) }
        self.sent.withLock { $0 = all.count }
    }

    private func mark() throws -> Mark {
        let answer = Mutex<Result<Mark, VaultError>?>(nil)
        let arrived = DispatchSemaphore(value: 0)
        self.source.vault.withMark { mark in
            answer.withLock { $0 = mark }
            arrived.signal()
        }
        try #require(arrived.wait(timeout: .now() + 20) == .success)
        return try #require(answer.withLock { $0 }).get()
    }

    /// The rows that a reader of the copy sees.
    func count() throws -> Int {
        let text = try CaptureBench.run(["sqlite3", self.path, "SELECT count(*) FROM t"])
        return Int(text.trimmingCharacters(in: .whitespacesAndNewlines)) ?? -1
    }

    func expectEqualFiles() throws {
        let source = try self.source.finalFile()
        self.copy.detach()
        _ = try CaptureBench.run(["sqlite3", self.path, "PRAGMA wal_checkpoint(TRUNCATE);"])
        _ = try CaptureBench.run(["cp", self.path, self.folder("look")])
        var data = try Data(contentsOf: URL(fileURLWithPath: self.folder("look")))
        #expect(data[18] == 3)
        data[18] = 2
        #expect(data == source)
        #expect(
            try CaptureBench.run(["sqlite3", self.path, "PRAGMA integrity_check"]) == "ok\n"
        )
    }
}

extension TemporaryFolder {
    /// Waits until somebody has made the file.
    func waitForFile(_ name: String) throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while !FileManager.default.fileExists(atPath: self(name)) {
            try #require(ContinuousClock.now < deadline, "\(name) does not come")
            sched_yield()
        }
    }
}
