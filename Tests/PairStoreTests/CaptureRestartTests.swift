import Foundation
import PairCore
import PairStore
import PairWAL
import TestThreads
import Testing

@Suite("Capture: it ends and begins again", .partOfMachine, .serialized, .ownThreads)
struct CaptureRestartTests {
    @Test func `goes on where it was when nothing was committed meanwhile`() throws {
        let bench = try CaptureBench()
        try bench.startCapture()
        try bench.shell("INSERT INTO t(body) VALUES(1);")
        let end = try bench.settle()
        bench.vault.detach()

        let attachment = try bench.startCapture()

        #expect(attachment.position == end)
        #expect(!attachment.hasUnloggedCommits)
        #expect(try bench.settle() == end)
    }

    @Test func `folds what was committed meanwhile into one transaction`() throws {
        let bench = try CaptureBench()
        try bench.startCapture()
        var reference = try bench.copy()
        try bench.shell("INSERT INTO t(body) VALUES(1);")
        let end = try bench.settle()
        let other = try bench.keepOpen()
        bench.vault.detach()

        try bench.python(
            """
            app = connect(); app.execute("PRAGMA wal_autocheckpoint=0")
            for i in range(700): app.execute("INSERT INTO t(body) VALUES(randomblob(2000))")
            """
        )
        let attachment = try bench.startCapture()
        let folded = try bench.settle()

        #expect(attachment.position == end)
        #expect(attachment.hasUnloggedCommits)
        #expect(folded.txid == end.txid.next)
        #expect(folded.digest == attachment.scannedDigest)
        #expect(try bench.captured.contains { try SegmentView($0).header.isOpenPart })
        try bench.shell("INSERT INTO t(body) VALUES(2);")
        try bench.settle()
        try reference.apply(bench.captured)
        other.end()
        #expect(try bench.finalFile() == reference.file)
        #expect(bench.events == [])
    }

    @Test func `says that nothing proves where the vault is when the WAL was restarted`() throws {
        let bench = try CaptureBench()
        try bench.startCapture()
        try bench.shell("INSERT INTO t(body) VALUES(1);")
        let end = try bench.settle()
        bench.vault.detach()

        try bench.shell(
            """
            INSERT INTO t(body) VALUES(2); PRAGMA wal_checkpoint(TRUNCATE);
            INSERT INTO t(body) VALUES(3);
            """
        )
        let attachment = try bench.startCapture(epoch: 4)
        var reference = try bench.copy()

        #expect(attachment.isGap)
        #expect(bench.vault.log.newest?.txid == TXID(10))
        #expect(bench.vault.log.newest != end)
        try bench.shell("INSERT INTO t(body) VALUES(4);")
        try bench.settle()
        try reference.apply(
            bench.captured.filter { try SegmentView($0).header.epoch == Epoch(rawValue: 4) }
        )
        #expect(reference.position.epoch == Epoch(rawValue: 4))
        #expect(try bench.finalFile() == reference.file)
    }

    @Test func `captures with the gate closed what was committed before it closed`() throws {
        let bench = try CaptureBench()
        try bench.startCapture()
        var reference = try bench.copy()
        try bench.shell("INSERT INTO t(body) VALUES(1);")

        try bench.vault.closeGate(timeout: .seconds(5))
        let end = try bench.settle()
        let refusal = try bench.python(
            """
            app = sqlite3.connect(path, timeout=0.2)
            print(app.execute("SELECT count(*) FROM t").fetchone()[0])
            try: app.execute("INSERT INTO t(body) VALUES(2)"); print("written")
            except sqlite3.OperationalError as error: print(error)
            """
        )

        #expect(refusal == "1\ndatabase is locked\n")
        #expect(try bench.settle() == end)
        try bench.vault.openGate()
        try bench.shell("INSERT INTO t(body) VALUES(3);")
        #expect(try bench.settle().txid == end.txid.next)
        try reference.apply(bench.captured)
        #expect(try bench.finalFile() == reference.file)
    }

    @Test func `ends the wait for the gate when the demand is withdrawn`() throws {
        let bench = try CaptureBench()
        try bench.startCapture()
        let writer = try bench.process("app = connect(); app.execute('BEGIN IMMEDIATE')")
        let vault = bench.vault
        let ended = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            #expect(throws: VaultError.self) { try vault.closeGate(timeout: .seconds(60)) }
            ended.signal()
        }
        var hasEnded = false

        try bench.wait {
            try vault.openGate()
            hasEnded = ended.wait(timeout: .now()) == .success
            return hasEnded
        }

        #expect(hasEnded)
        writer.end()
        try bench.shell("INSERT INTO t(body) VALUES(1);")
        try vault.closeGate(timeout: .seconds(10))
        #expect(vault.isGateClosed)
    }

    @Test func `keeps the gate closed while the vault is attached anew`() throws {
        let bench = try CaptureBench()
        _ = try bench.vault.attach(.closed(marked: false))
        let writer = try bench.process(
            """
            import threading
            def write():
                app = sqlite3.connect(path, timeout=0, isolation_level=None)
                while True:
                    try: app.execute("INSERT INTO t(body) VALUES(1)")
                    except sqlite3.OperationalError: pass
            threading.Thread(target=write, daemon=True).start()
            """
        )

        for _ in 0..<20 { _ = try bench.vault.attach(.closed(marked: false)) }

        writer.end()
        let count = try bench.shell("SELECT count(*) FROM t;")
        #expect(count == "0\n")
        bench.vault.detach()
        try bench.shell("INSERT INTO t(body) VALUES(2);")
    }

    @Test func `does not mark a vault that was written to since it was read`() throws {
        let bench = try CaptureBench()
        _ = try bench.vault.attach(.open)
        try bench.shell("INSERT INTO t(body) VALUES(1);")
        try bench.vault.closeGate(timeout: .seconds(10))

        #expect(throws: VaultError.self) { try bench.vault.setMarker(true) }
    }

    @Test func `clears a marker that it finds on a primary`() throws {
        let bench = try CaptureBench()
        let unmarked = try bench.vault.attach(.closed(marked: true))
        bench.vault.detach()
        let refused = try bench.shellFailure("INSERT INTO t(body) VALUES(1);")

        let attachment = try bench.startCapture()
        var reference = try bench.copy()
        try bench.shell("INSERT INTO t(body) VALUES(2);")
        try bench.settle()

        #expect(refused.contains("readonly"))
        #expect(!unmarked.wasMarked && attachment.wasMarked)
        #expect(unmarked.scannedDigest == attachment.scannedDigest)
        try reference.apply(bench.captured)
        #expect(try bench.finalFile() == reference.file)
    }

    @Test func `mends a torn wal-index behind a closed gate`() throws {
        let bench = try CaptureBench()
        try bench.startCapture()
        try bench.shell("INSERT INTO t(body) VALUES(1);")
        try bench.vault.closeGate(timeout: .seconds(5))
        let end = try bench.settle()

        try bench.python(
            """
            shm = os.open(path + "-shm", os.O_RDWR)
            os.pwrite(shm, b"torn", 40)
            assert connect().execute("SELECT count(*) FROM t").fetchone() == (1,)
            os._exit(0)
            """
        )

        #expect(try bench.settle() == end)
        #expect(bench.vault.isGateClosed)
        #expect(try bench.shellFailure("INSERT INTO t(body) VALUES(2);").contains("locked"))
    }

    @Test func `holds a mark while the application goes on and the WAL is checkpointed`() throws {
        let bench = try CaptureBench(setup: "CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB);")
        try bench.startCapture()
        var reference = try bench.copy()
        try bench.shell("INSERT INTO t(body) VALUES(randomblob(50000));")
        try bench.settle()

        let mark = try bench.mark()
        try bench.python(
            """
            app = connect(); app.execute("PRAGMA synchronous=OFF")
            for i in range(3000): app.execute("INSERT INTO t(body) VALUES(randomblob(3000))")
            app.execute("DELETE FROM t WHERE id % 2")
            """
        )
        try bench.settle()
        let scanned = try mark.scan()
        let copy = try PageArray(mark)
        mark.end()

        #expect(scanned.digest == mark.position.digest)
        try reference.apply(
            bench.captured.filter { bytes in
                try SegmentView(bytes).header.last <= mark.position.txid
            }
        )
        #expect(copy.file == reference.file)
    }
}

@Suite("Capture: a vault that cannot be served", .partOfMachine, .ownThreads)
struct CaptureRefusalTests {
    let directory = NSTemporaryDirectory() + "refusal-" + UUID().uuidString

    private func failure(_ setup: String?) throws -> VaultError? {
        let path = self.directory + "/vault.db"
        try FileManager.default.createDirectory(
            atPath: self.directory,
            withIntermediateDirectories: true
        )
        defer { try? FileManager.default.removeItem(atPath: self.directory) }
        if let setup { _ = try CaptureBench.run(["sh", "-c", setup, path]) }
        let vault = try Vault(
            Vault.Configuration(
                path: path,
                logDirectory: self.directory + "/log",
                stateDirectory: self.directory
            )
        )
        do throws(VaultError) {
            _ = try vault.attach(.open, timeout: .milliseconds(200))
            vault.detach()
            return nil
        } catch {
            return error
        }
    }

    var path: String { self.directory + "/vault.db" }

    @Test func `waits for a vault that is missing`() throws {
        #expect(try self.failure(nil) == .missing(path: self.path))
    }

    @Test func `waits for a vault that is empty`() throws {
        #expect(try self.failure("touch $0") == .empty(path: self.path))
    }

    @Test func `refuses what is no database`() throws {
        #expect(
            try self.failure("head -c 8192 /dev/zero | tr '\\0' x > $0")
                == .notADatabase(path: self.path)
        )
    }

    @Test func `refuses another journal mode and says what to type`() throws {
        let error = try self.failure("sqlite3 $0 'CREATE TABLE t(a)'")

        #expect(error == .notInWALMode(path: self.path, mode: "delete"))
        #expect(error?.description.contains("PRAGMA journal_mode=WAL") == true)
    }

    @Test func `names the other daemon`() throws {
        let bench = try CaptureBench()
        let holder = try bench.process(
            """
            import fcntl
            db = os.open(path, os.O_RDWR)
            fcntl.lockf(db, fcntl.LOCK_EX, 1, 0x40000000 + 1000)
            """
        )
        defer { holder.end() }

        #expect(throws: VaultError.otherDaemon(path: bench.path, pid: holder.pid)) {
            _ = try bench.vault.attach(.open)
        }
    }

    @Test func `refuses an application that keeps the vault to itself`() throws {
        let bench = try CaptureBench()
        let holder = try bench.process(
            """
            app = connect()
            app.execute("PRAGMA locking_mode=EXCLUSIVE")
            app.execute("INSERT INTO t(body) VALUES(1)")
            """
        )
        defer { holder.end() }

        #expect(throws: VaultError.self) {
            _ = try bench.vault.attach(.open, timeout: .milliseconds(200))
        }
    }
}
