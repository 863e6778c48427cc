import Foundation
import PairCore
import PairStore
import PairWAL
import Synchronization
import Testing

/// A vault in a folder of its own, captured by this process and written by others.
final class CaptureBench: Sendable {
    let directory: String
    let vault: Vault
    private let reported = Mutex<[String]>([])
    private let segments = Mutex<[[UInt8]]>([])

    var path: String { self.directory + "/vault.db" }

    /// - Parameter setup: SQL that an application runs before anything is captured.
    init(
        pageSize: Int = 4_096,
        setup: String = "CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB);"
    ) throws {
        self.directory = NSTemporaryDirectory() + "capture-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: self.directory + "/state",
            withIntermediateDirectories: true
        )
        self.vault = try Vault(
            Vault.Configuration(
                path: self.directory + "/vault.db",
                logDirectory: self.directory + "/log",
                stateDirectory: self.directory + "/state"
            )
        )
        try self.shell("PRAGMA page_size=\(pageSize); PRAGMA journal_mode=WAL; \(setup)")
    }

    deinit {
        self.vault.detach()
        try? FileManager.default.removeItem(atPath: self.directory)
    }

    /// Runs statements in another process, as an application of the vault.
    @discardableResult
    func shell(_ sql: String) throws -> String {
        try Self.run(["sqlite3", "-cmd", ".timeout 10000", self.path, sql])
    }

    /// Runs a Python script in another process; it finds the vault's path in `path`.
    @discardableResult
    func python(_ script: String) throws -> String {
        try Self.run(["python3", "-c", Self.preamble + script, self.path])
    }

    static let preamble = """
        import sqlite3, sys, os, time, signal
        path = sys.argv[1]
        def connect(**options):
            return sqlite3.connect(path, timeout=10, isolation_level=None, **options)

        """

    /// What statements in another process fail with.
    func shellFailure(_ sql: String) throws -> String {
        try Self.run(["sh", "-c", "sqlite3 \"$0\" \"$1\" 2>&1; true", self.path, sql])
    }

    /// A process that has run a script and stays until it is ended.
    struct Running {
        let process: Process
        var pid: Int32 { self.process.processIdentifier }

        init(_ arguments: [String]) throws {
            self.process = Process()
            let output = Pipe()
            self.process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            self.process.arguments = arguments
            self.process.standardInput = FileHandle.nullDevice
            self.process.standardOutput = output
            try self.process.run()
            let ready = output.fileHandleForReading.readData(ofLength: 6)
            try #require(ready == Data("ready\n".utf8))
        }

        func end() {
            // Threads of the test runner block signals, and children inherit that.
            kill(self.pid, SIGKILL)
            self.process.waitUntilExit()
        }
    }

    func process(_ script: String) throws -> Running {
        try Running([
            "python3", "-c",
            Self.preamble + script + "\nprint('ready', flush=True)\nsignal.pause()\n", self.path,
        ])
    }

    /// An application that keeps the vault open, so that the last close of others leaves the WAL.
    func keepOpen() throws -> Running {
        try self.process("app = connect(); app.execute('SELECT count(*) FROM t').fetchall()")
    }

    static func run(_ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        // Not a pipe: another test's child, started at the same time, might keep its end open.
        let outputPath = NSTemporaryDirectory() + "output-" + UUID().uuidString
        try Data().write(to: URL(fileURLWithPath: outputPath))
        defer { try? FileManager.default.removeItem(atPath: outputPath) }
        let output = try #require(FileHandle(forWritingAtPath: outputPath))
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try output.close()
        let text = try String(contentsOfFile: outputPath, encoding: .utf8)
        try #require(process.terminationReason == .exit, "\(arguments.prefix(2)): \(text)")
        try #require(process.terminationStatus == 0, "\(arguments.prefix(2)): \(text)")
        return text
    }

    // MARK: Capturing

    /// Attaches the vault and captures from where the log ends, or from a new beginning.
    @discardableResult
    func startCapture(
        epoch: UInt64 = 2,
        delivering: @escaping @Sendable () -> Void = {}
    ) throws -> Vault.Attachment {
        let attachment = try self.vault.attach(.open)
        let position =
            attachment.position
            ?? Position(
                epoch: Epoch(rawValue: epoch),
                txid: TXID(10),
                digest: attachment.scannedDigest
            )
        try self.vault.startCapture(
            epoch: Epoch(rawValue: epoch),
            at: position,
            deliver: { [weak self] segment in
                delivering()
                self?.segments.withLock { $0.append(segment.bytes) }
            },
            report: { [weak self] event in
                self?.reported.withLock { $0.append("\(event)") }
            }
        )
        return attachment
    }

    /// Everything that is committed by now has been captured when it returns.
    @discardableResult
    func settle() throws -> Position { try self.vault.captureNow(timeout: .seconds(20)) }

    /// Looks again and again until `condition` holds, or for 20 s; the caller then says what it expects.
    func wait(until condition: () throws -> Bool) rethrows {
        let deadline = ContinuousClock.now + .seconds(20)
        while try !condition(), ContinuousClock.now < deadline {
            Thread.sleep(forTimeInterval: 0.01)
        }
    }

    /// How long the WAL has been at most: its file never gets shorter.
    func walByteCount() throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: self.path + "-wal")
        return try #require(attributes[.size] as? Int)
    }

    /// What capture had to say besides segments.
    var events: [String] { self.reported.withLock { $0 } }

    var captured: [[UInt8]] { self.segments.withLock { $0 } }

    func mark() throws -> Mark {
        let answer = Mutex<Result<Mark, VaultError>?>(nil)
        let arrived = DispatchSemaphore(value: 0)
        self.vault.withMark { mark in
            answer.withLock { $0 = mark }
            arrived.signal()
        }
        try #require(arrived.wait(timeout: .now() + 20) == .success)
        return try #require(answer.withLock { $0 }).get()
    }

    /// Everything that a mark of the newest state holds.
    func copy() throws -> PageArray {
        let mark = try self.mark()
        defer { mark.end() }
        return try PageArray(mark)
    }

    /// The database file after a complete checkpoint, custody given back.
    func finalFile() throws -> Data {
        try self.settle()
        self.vault.detach()
        try self.shell("PRAGMA wal_checkpoint(TRUNCATE);")
        let copy = self.directory + "/copy"
        _ = try Self.run(["cp", self.path, copy])
        return try Data(contentsOf: URL(fileURLWithPath: copy))
    }
}

/// The plainest thing that segments can be applied to.
struct PageArray {
    private(set) var pages: [UInt32: [UInt8]] = [:]
    private(set) var map: PageMap
    private(set) var position: Position
    private let hasher = PageHasher()

    init(_ mark: Mark) throws {
        self.map = PageMap(pageSize: mark.pageSize)
        self.map.resize(to: mark.pageCount)
        self.position = mark.position
        for number in 1...mark.pageCount where PageNumber(number) != mark.pageSize.lockPage {
            var image = [UInt8](repeating: 0, count: mark.pageSize.byteCount)
            try image.withUnsafeMutableBytes { try mark.read(PageNumber(number), into: $0) }
            self.pages[number] = image
            self.hash(PageNumber(number))
        }
        #expect(self.map.digest == mark.position.digest)
    }

    /// Applies segments in order, checking that they follow and that each digest comes true.
    mutating func apply(_ segments: [[UInt8]]) throws {
        for bytes in segments {
            let view = try SegmentView(bytes)
            guard view.header.first > self.position.txid else { continue }
            try #require(view.header.first == self.position.txid.next)
            try #require(view.header.digestBefore == self.position.digest)
            var touched: Set<UInt32> = []
            for record in view.records {
                let number = record.page.rawValue
                self.pages[number] = view.withImage(of: record) {
                    record.isZero
                        ? [UInt8](repeating: 0, count: view.header.pageSize.byteCount) : Array($0)
                }
                touched.insert(number)
                if let pagesAfter = record.pagesAfter { self.resize(to: pagesAfter) }
            }
            if let end = view.header.position {
                self.resize(to: view.header.pagesAfter)
                self.rehash(touched)
                try #require(self.map.digest == end.digest)
                self.position = end
            } else {
                self.map.resize(to: max(self.map.pageCount, touched.max() ?? 0))
                self.rehash(touched)
            }
        }
    }

    private mutating func resize(to pageCount: UInt32) {
        if pageCount < self.map.pageCount {
            self.pages = self.pages.filter { $0.key <= pageCount }
        }
        self.map.resize(to: pageCount)
    }

    private mutating func rehash(_ numbers: Set<UInt32>) {
        for number in numbers where number <= self.map.pageCount { self.hash(PageNumber(number)) }
    }

    private mutating func hash(_ page: PageNumber) {
        let image = self.pages[page.rawValue] ?? []
        self.map.set(page, image.withUnsafeBytes { self.hasher.hash(page, $0) })
    }

    /// As a database file.
    var file: Data {
        var data = Data()
        for number in 1...self.map.pageCount {
            data.append(
                contentsOf: self.pages[number]
                    ?? [UInt8](repeating: 0, count: self.map.pageSize.byteCount)
            )
        }
        return data
    }
}
