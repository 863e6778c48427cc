import Glibc
package import PairCore
package import PairWAL

/// Why the vault cannot be used as asked; each says what to do about it.
package enum VaultError: Error, Hashable, Sendable {
    case missing(path: String)
    case empty(path: String)
    case notADatabase(path: String)
    case notInWALMode(path: String, mode: String)
    case networkFileSystem(path: String, type: String)
    case otherDaemon(path: String, pid: Int32)
    /// Another process holds the whole database, as `locking_mode=EXCLUSIVE` does.
    case lockedExclusively(path: String, pid: Int32?)
    /// Other processes have the vault open, so that it cannot be replaced; without any pid they
    /// cannot be named.
    case attached(path: String, pids: [Int32])
    /// Another process holds the checkpoint lock and does not give it back.
    case checkpointLockHeld(path: String, pid: Int32?)
    /// An application holds a write transaction open for longer than the caller can wait.
    case writerDoesNotFinish(path: String, pid: Int32?)
    /// The path names another file than the one that is open.
    case replaced(path: String)
    /// A vault with tables lies where there was none.
    case unexpected(path: String)
    case headerDamaged(path: String)
    case unsupportedPageSize(path: String, byteCount: Int)
    /// Captured or applied frames do not continue what came before.
    case continuityLost(path: String, reason: ContinuityReason)
    /// The state after a transaction is not the one that its segment names.
    case digestMismatch(txid: TXID, expected: VaultDigest, found: VaultDigest)
    /// A segment is not the one that follows.
    case outOfOrder(expected: TXID, found: TXID)
    case segment(SegmentError)
    case log(SegmentStoreError)
    case timedOut(StaticReason)
    case notRunning(StaticReason)
    case sqlite(code: Int32, message: String, doing: StaticReason)
    case system(errno: Int32, call: StaticReason, path: String)

    /// Words that are known when the program is built.
    package struct StaticReason: Hashable, Sendable, ExpressibleByStringLiteral {
        package let text: String
        package init(stringLiteral value: StaticString) { self.text = "\(value)" }
    }

    /// What showed that history has a hole.
    package enum ContinuityReason: Hashable, Sendable {
        case frame(WALError)
        case framesVanished(captured: UInt32, present: UInt32)
        case commitsMissing(expected: UInt32, found: UInt32)
        case unwrittenPage(PageNumber)
        case unfinishedCommit(frame: UInt32)
        case pageSizeChanged(Int)
    }
}

extension VaultError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .missing(let path):
            "waiting for \(path) to be created by the application in WAL mode"
        case .empty(let path):
            "vault \(path) is empty; waiting for the application to create its tables in WAL mode"
        case .notADatabase(let path):
            "\(path) is not an SQLite database; check the path, or move the file away"
        case .notInWALMode(let path, let mode):
            "vault \(path) is in journal mode \(mode); stop the application and run: "
                + "sqlite3 \(path) 'PRAGMA journal_mode=WAL'"
        case .networkFileSystem(let path, let type):
            "vault \(path) is on a network file system (\(type)), where locks cannot be relied "
                + "on; move it to a local disk"
        case .otherDaemon(let path, let pid):
            "vault \(path) is already served by another paird, process \(pid); stop that one first"
        case .lockedExclusively(let path, let pid):
            "vault \(path) is held exclusively by \(Self.process(pid)); let that application use "
                + "PRAGMA locking_mode=NORMAL"
        case .attached(let path, let pids):
            "vault \(path) cannot be replaced while "
                + (pids.isEmpty ? "another process has" : "processes \(Self.list(pids)) have")
                + " it open; close them"
        case .checkpointLockHeld(let path, let pid):
            "\(Self.process(pid)) keeps the checkpoint lock of \(path); end its checkpoint"
        case .writerDoesNotFinish(let path, let pid):
            "\(Self.process(pid)) keeps a write transaction on \(path) open; end it"
        case .replaced(let path):
            "\(path) is no longer the file that was opened: somebody removed or replaced it"
        case .unexpected(let path):
            "somebody has made a vault at \(path) while a copy was taken; it is not replaced before it "
                + "has been read"
        case .headerDamaged(let path):
            "the wal-index of \(path) stays invalid although nobody writes"
        case .unsupportedPageSize(let path, let byteCount):
            "vault \(path) has pages of \(byteCount) bytes"
        case .continuityLost(let path, let reason):
            "the log of \(path) does not continue where it was left: \(reason)"
        case .digestMismatch(let txid, let expected, let found):
            "transaction \(txid) should lead to digest \(expected) but leads to \(found)"
        case .outOfOrder(let expected, let found):
            "transaction \(found) where \(expected) should follow"
        case .segment(let error): "\(error)"
        case .log(let error): "\(error)"
        case .timedOut(let doing): "\(doing.text) took too long"
        case .notRunning(let what): "\(what.text) is not running"
        case .sqlite(let code, let message, let doing):
            "\(doing.text): SQLite says \(message) (\(code))"
        case .system(let errno, let call, let path):
            "\(call.text) of \(path): \(String(cString: strerror(errno)))"
        }
    }

    private static func list(_ pids: [Int32]) -> String {
        pids.map { String($0) }.joined(separator: ", ")
    }

    private static func process(_ pid: Int32?) -> String {
        pid.map { "process \($0)" } ?? "another process"
    }
}

extension VaultError.ContinuityReason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .frame(.frameSalts(let frame, _, _)): "frame \(frame) is of another generation"
        case .frame(.frameChecksum(let frame)): "the checksum of frame \(frame) does not fit"
        case .frame(let error): "\(error)"
        case .framesVanished(let captured, let present):
            "\(captured) frames were captured but only \(present) are there"
        case .commitsMissing(let expected, let found):
            "\(expected) commits were made but only \(found) are there"
        case .unwrittenPage(let page): "page \(page.rawValue) was added without being written"
        case .unfinishedCommit(let frame): "frame \(frame) should end a commit but does not"
        case .pageSizeChanged(let byteCount): "pages now have \(byteCount) bytes"
        }
    }
}
