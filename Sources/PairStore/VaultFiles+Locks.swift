import CWALIndex
import Glibc

/// The bytes of the files that stand for locks, and what holding them means.
package enum VaultLock: Hashable, Sendable {
    /// Whoever commits holds it; held by us it is layer 1 of the gate.
    case write
    /// The five slots of readers, several at once.
    case readers(ClosedRange<Int>)
    /// Keeps openers from truncating the wal-index.
    case deadMansSwitch
    /// Keeps the last close of an application from deleting the WAL.
    case sharedRange
    /// Readers that want the whole database to themselves start here.
    case pending

    fileprivate var range: (start: off_t, length: off_t) {
        switch self {
        case .write: (120, 1)
        case .readers(let slots): (123 + off_t(slots.lowerBound), off_t(slots.count))
        case .deadMansSwitch: (128, 1)
        case .sharedRange: (0x4000_0002, 510)
        case .pending: (0x4000_0000, 1)
        }
    }

    fileprivate var isOnDatabase: Bool {
        switch self {
        case .sharedRange, .pending: true
        case .write, .readers, .deadMansSwitch: false
        }
    }
}

package enum LockKind: Hashable, Sendable {
    case shared
    case exclusive
}

/// Who stands in the way of a lock.
package enum LockHolder: Hashable, Sendable {
    case process(Int32)
    /// Holders of open file description locks cannot be named.
    case unknown

    package var pid: Int32? {
        switch self {
        case .process(let pid): pid
        case .unknown: nil
        }
    }
}

extension VaultFiles {
    private static let checkpointByte: off_t = 121
    /// Beyond SQLite's lock bytes; nobody but another daemon looks at it.
    private static let daemonByte: off_t = 0x4000_0000 + 1_000

    // MARK: Locks of the open file description

    /// Takes a lock if nobody stands in the way; converts one that is held.
    package func tryLock(_ lock: VaultLock, _ kind: LockKind) throws(VaultError) -> Bool {
        try self.set(lock, kind == .shared ? F_RDLCK : F_WRLCK, WALINDEX_OFD_SETLK)
    }

    /// Waits for a lock, for as long as it takes.
    ///
    /// Blocks the thread.
    package func waitForLock(_ lock: VaultLock, _ kind: LockKind) throws(VaultError) {
        _ = try self.set(lock, kind == .shared ? F_RDLCK : F_WRLCK, WALINDEX_OFD_SETLKW)
    }

    package func unlock(_ lock: VaultLock) throws(VaultError) {
        _ = try self.set(lock, F_UNLCK, WALINDEX_OFD_SETLK)
    }

    /// Who would stand in the way of taking `lock`; our own open file description never does.
    package func holder(of lock: VaultLock, _ kind: LockKind) throws(VaultError) -> LockHolder? {
        var request = Self.request(lock.range, kind == .shared ? F_RDLCK : F_WRLCK)
        let descriptor = lock.isOnDatabase ? self.database : self.shm
        guard fcntl(descriptor, Int32(WALINDEX_OFD_GETLK), &request) == 0 else {
            throw .system(errno: errno, call: "asking for a lock", path: self.path)
        }
        return Self.holder(request)
    }

    private func set(
        _ lock: VaultLock,
        _ type: Int32,
        _ command: Int
    ) throws(VaultError) -> Bool {
        try Self.set(
            lock.isOnDatabase ? self.database : self.shm,
            lock.range,
            type,
            Int32(command),
            path: self.path
        )
    }

    // MARK: Locks of the process

    /// Takes the checkpoint lock, without waiting; granted again to who holds it.
    ///
    /// A checkpoint by a connection of ours releases it when it ends, so it is taken again then.
    package func tryCheckpointLock() throws(VaultError) -> Bool {
        try Self.set(self.shm, (Self.checkpointByte, 1), F_WRLCK, F_SETLK, path: self.shmPath)
    }

    /// Waits for the checkpoint lock.
    ///
    /// Never called while WRITE or a read lock is held.
    package func waitForCheckpointLock() throws(VaultError) {
        _ = try Self.set(
            self.shm,
            (Self.checkpointByte, 1),
            F_WRLCK,
            F_SETLKW,
            path: self.shmPath
        )
    }

    package func releaseCheckpointLock() throws(VaultError) {
        _ = try Self.set(self.shm, (Self.checkpointByte, 1), F_UNLCK, F_SETLK, path: self.shmPath)
    }

    package func checkpointLockHolder() -> LockHolder? {
        Self.processHolder(self.shm, Self.checkpointByte)
    }

    /// Marks the vault as ours.
    ///
    /// - Throws: `.otherDaemon` with the process that was faster.
    package func claim() throws(VaultError) {
        let claimed = try Self.set(
            self.database,
            (Self.daemonByte, 1),
            F_WRLCK,
            F_SETLK,
            path: self.path
        )
        guard !claimed else { return }
        let holder = Self.processHolder(self.database, Self.daemonByte)
        throw .otherDaemon(path: self.path, pid: holder?.pid ?? 0)
    }

    package func releaseClaim() throws(VaultError) {
        _ = try Self.set(self.database, (Self.daemonByte, 1), F_UNLCK, F_SETLK, path: self.path)
    }

    // MARK: fcntl

    private static func set(
        _ descriptor: Int32,
        _ range: (start: off_t, length: off_t),
        _ type: Int32,
        _ command: Int32,
        path: String
    ) throws(VaultError) -> Bool {
        var request = self.request(range, type)
        while fcntl(descriptor, command, &request) != 0 {
            switch errno {
            case EINTR: continue
            case EAGAIN, EACCES: return false
            default: throw .system(errno: errno, call: "locking", path: path)
            }
        }
        return true
    }

    private static func request(
        _ range: (start: off_t, length: off_t),
        _ type: Int32
    ) -> flock {
        flock(
            l_type: Int16(type),
            l_whence: Int16(SEEK_SET),
            l_start: range.start,
            l_len: range.length,
            l_pid: 0
        )
    }

    private static func processHolder(_ descriptor: Int32, _ byte: off_t) -> LockHolder? {
        var request = self.request((byte, 1), F_WRLCK)
        guard fcntl(descriptor, F_GETLK, &request) == 0 else { return nil }
        return self.holder(request)
    }

    private static func holder(_ answer: flock) -> LockHolder? {
        if answer.l_type == Int16(F_UNLCK) { return nil }
        return answer.l_pid > 0 ? .process(answer.l_pid) : .unknown
    }
}
