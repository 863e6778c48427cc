import Foundation
import PairCore
import PairStore
import PairWAL
import Synchronization
import Testing

/// A vault that an application writes, and a copy that follows it, both in this process.
final class ApplyBench: Sendable {
    let source: CaptureBench
    let copy: Vault
    let folder: TemporaryFolder
    /// How many of the captured segments have been applied.
    private let done = Mutex(0)

    var path: String { self.folder("copy.db") }

    /// The copy is taken before anything is captured; nothing is attached yet.
    init(
        pageSize: Int = 4_096,
        setup: String = "CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB);"
    ) throws {
        self.source = try CaptureBench(pageSize: pageSize, setup: setup)
        self.folder = try TemporaryFolder()
        _ = try CaptureBench.run(["cp", self.source.path, self.folder("copy.db")])
        self.copy = try Self.vault(self.folder)
    }

    deinit { self.copy.detach() }

    static func vault(_ folder: TemporaryFolder) throws -> Vault {
        try Vault(
            Vault.Configuration(
                path: folder("copy.db"),
                logDirectory: folder("log"),
                stateDirectory: folder("state")
            )
        )
    }

    /// Attaches the copy as a secondary's and both to the same position.
    @discardableResult
    func start() throws -> Position {
        try self.source.startCapture()
        let position = try #require(self.source.vault.captured)
        _ = try self.copy.attach(.closed(marked: true))
        try self.copy.beginApplying(after: position)
        return position
    }

    /// Applies what has been captured so far, in batches of up to `size` segments.
    @discardableResult
    func applyCaptured(batchesOf size: Int = 7) throws -> Position? {
        while true {
            let all = self.source.captured
            let start = self.done.withLock { $0 }
            guard start < all.count else { return self.copy.applied }
            let batch = Array(all[start..<min(start + size, all.count)])
            try self.copy.apply(batch)
            self.done.withLock { $0 = start + batch.count }
        }
    }

    /// Applies everything that is committed by now.
    @discardableResult
    func level(batchesOf size: Int = 7) throws -> Position {
        let end = try self.source.settle()
        try self.applyCaptured(batchesOf: size)
        #expect(self.copy.applied == end)
        return end
    }

    /// Both files, checkpointed and without the marker; nothing is attached any more.
    func finalFiles() throws -> (source: Data, copy: Data) {
        let source = try self.source.finalFile()
        self.copy.detach()
        return (source, try self.copyFile())
    }

    /// The copy's file after a checkpoint, without the marker.
    func copyFile() throws -> Data {
        _ = try CaptureBench.run(["sqlite3", self.path, "PRAGMA wal_checkpoint(TRUNCATE);"])
        _ = try CaptureBench.run(["cp", self.path, self.folder("look")])
        var data = try Data(contentsOf: URL(fileURLWithPath: self.folder("look")))
        #expect(data[18] == 3)
        data[18] = 2
        return data
    }

    /// Runs a script in another process, as a client of the copy.
    @discardableResult
    func python(_ script: String) throws -> String {
        try CaptureBench.run(["python3", "-c", CaptureBench.preamble + script, self.path])
    }

    /// The digest of the copy, read anew.
    func scan() throws -> VaultDigest {
        let answer = Mutex<Result<VaultDigest, any Error>?>(nil)
        self.copy.withMark { result in
            answer.withLock { answer in
                answer = Result {
                    let mark = try result.get()
                    defer { mark.end() }
                    return try mark.scan().digest
                }
            }
        }
        return try #require(answer.withLock { $0 }).get()
    }
}

/// Another process, killed if it outlives its owner.
final class Client: Sendable {
    private let process: Process
    private let output: Pipe
    private let ended = DispatchSemaphore(value: 0)

    init(_ arguments: [String]) throws {
        self.process = Process()
        self.output = Pipe()
        self.process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        self.process.arguments = arguments
        self.process.standardOutput = self.output
        self.process.standardError = self.output
        self.process.standardInput = FileHandle.nullDevice
        self.process.terminationHandler = { [ended] _ in ended.signal() }
        try self.process.run()
    }

    /// Waits for the end of the process, but no longer than that.
    ///
    /// - Returns: whether it has ended.
    func ends(within seconds: Double) -> Bool {
        guard self.ended.wait(timeout: .now() + seconds) == .success else { return false }
        self.ended.signal()
        return true
    }

    /// A Python script that finds the vault's path in `path`.
    convenience init(python script: String, on path: String, _ arguments: String...) throws {
        try self.init(["python3", "-c", CaptureBench.preamble + script, path] + arguments)
    }

    deinit { self.kill() }

    var isRunning: Bool { self.process.isRunning }
    var pid: Int32 { self.process.processIdentifier }

    func kill() {
        if self.process.isRunning { Foundation.kill(self.process.processIdentifier, SIGKILL) }
    }

    /// Everything the process says, once it has ended.
    func wait() -> (text: String, status: Int32) {
        let data = self.output.fileHandleForReading.readDataToEndOfFile()
        self.process.waitUntilExit()
        return (String(decoding: data, as: UTF8.self), self.process.terminationStatus)
    }
}
