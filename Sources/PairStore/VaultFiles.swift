import CWALIndex
import Glibc
import Synchronization

/// The three files of a vault and every lock that this process takes on them.
///
/// The descriptors are never closed: closing any descriptor of a file drops all POSIX locks that the
/// process has on it, SQLite's own included, and the next application to open the vault would then
/// truncate the wal-index under everybody. For the same reason nothing else in this process may
/// open the database or its `-shm`.
///
/// All locks are open file description locks, which that rule cannot hurt, but for two: the
/// checkpoint lock, which must be the process's so that our own connection is granted it too, and
/// the lock that tells a second daemon our process id.
package struct VaultFiles: Sendable {
    package let path: String
    package let database: Int32
    package let wal: Int32
    package let shm: Int32
    package let index: WALIndex

    package var walPath: String { self.path + "-wal" }
    package var shmPath: String { self.path + "-shm" }

    /// The files at `path`, opened once per process as long as they are the same files.
    ///
    /// Attaching again, after whatever failure, must not cost descriptors each time.
    static func opened(_ path: String) throws(VaultError) -> VaultFiles {
        // What was replaced keeps its descriptors: it may come back, and then its locks are there.
        for files in self.known.withLock({ $0[path] ?? [] }).reversed() {
            do throws(VaultError) {
                try files.checkIdentity()
            } catch {
                continue
            }
            self.remember(files, at: path)
            return files
        }
        var files = try VaultFiles(opening: path)
        // One wal-index has one gate, and locks on it through two descriptors stand against each other.
        if let known = self.known.withLock({ $0[path] ?? [] }).last(where: {
            $0.sharesIndex(with: files)
        }) {
            files = VaultFiles(files, indexOf: known)
        }
        self.remember(files, at: path)
        return files
    }

    /// The files that were opened at `path` last, whatever lies there now.
    static func openedBefore(_ path: String) -> VaultFiles? {
        self.known.withLock { $0[path]?.last }
    }

    /// Lets go of every lock on a wal-index that lies at `path` without the database that it was of.
    static func releaseIndex(at path: String) throws(VaultError) {
        for files in self.known.withLock({ $0[path] ?? [] }) where files.isDatabaseDisplaced {
            guard !files.isIndexDisplaced else { continue }
            try AttachedVault.openGate(of: files, evenDisplaced: true)
        }
    }

    /// The wal-index is not what its path certainly names.
    var isIndexDisplaced: Bool { Self.isDisplaced(self.shm, from: self.shmPath) }

    private func sharesIndex(with other: VaultFiles) -> Bool {
        var (one, two) = (stat(), stat())
        return fstat(self.shm, &one) == 0 && fstat(other.shm, &two) == 0
            && one.st_ino == two.st_ino && one.st_dev == two.st_dev
    }

    private static func remember(_ files: VaultFiles, at path: String) {
        self.known.withLock { known in
            known[path, default: []].removeAll { $0.database == files.database }
            known[path, default: []].append(files)
        }
    }

    /// The newest last.
    private static let known = Mutex<[String: [VaultFiles]]>([:])

    /// Opens the files of a vault that a connection of ours has read already, so that they exist.
    ///
    /// - Throws: `.system`, `.missing`.
    package init(opening path: String) throws(VaultError) {
        self.path = path
        self.database = try Self.open(path)
        self.wal = try Self.open(path + "-wal")
        self.shm = try Self.open(path + "-shm")
        self.index = try WALIndex(mapping: self.shm, path: path + "-shm")
    }

    /// Other files with a wal-index that is open already; the descriptor made anew for it stays, because
    /// closing it would cost the locks of the first.
    private init(_ files: VaultFiles, indexOf known: VaultFiles) {
        self.path = files.path
        self.database = files.database
        self.wal = files.wal
        self.shm = known.shm
        self.index = known.index
    }

    private static func open(_ path: String) throws(VaultError) -> Int32 {
        let descriptor = Glibc.open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { throw .missing(path: path) }
            throw .system(errno: errno, call: "open", path: path)
        }
        return descriptor
    }

    /// Whether the paths still name the files that are open.
    ///
    /// - Throws: `.replaced` with the first path that does not.
    package func checkIdentity() throws(VaultError) {
        for (descriptor, path) in [
            (self.database, self.path), (self.wal, self.walPath), (self.shm, self.shmPath),
        ] {
            var open = stat()
            var named = stat()
            guard fstat(descriptor, &open) == 0, stat(path, &named) == 0,
                open.st_ino == named.st_ino, open.st_dev == named.st_dev
            else { throw .replaced(path: path) }
        }
    }

    /// The database is not what its path certainly names: it was removed, or renamed.
    var isDatabaseDisplaced: Bool { Self.isDisplaced(self.database, from: self.path) }

    private static func isDisplaced(_ descriptor: Int32, from path: String) -> Bool {
        var open = stat()
        var named = stat()
        guard fstat(descriptor, &open) == 0 else { return false }
        guard stat(path, &named) == 0 else { return errno == ENOENT }
        return open.st_ino != named.st_ino || open.st_dev != named.st_dev
    }

    /// The first path that certainly names no file any more, or another one than is open.
    ///
    /// A path that cannot be looked at says nothing.
    func displaced() -> String? {
        for (descriptor, path) in [
            (self.database, self.path), (self.wal, self.walPath), (self.shm, self.shmPath),
        ] {
            var open = stat()
            var named = stat()
            guard fstat(descriptor, &open) == 0 else { continue }
            if stat(path, &named) != 0 {
                if errno == ENOENT { return path }
            } else if open.st_ino != named.st_ino || open.st_dev != named.st_dev {
                return path
            }
        }
        return nil
    }

    package func databaseByteCount() throws(VaultError) -> Int {
        try Self.byteCount(of: self.database, path: self.path)
    }

    package func walByteCount() throws(VaultError) -> Int {
        try Self.byteCount(of: self.wal, path: self.walPath)
    }

    private static func byteCount(of descriptor: Int32, path: String) throws(VaultError) -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw .system(errno: errno, call: "fstat", path: path)
        }
        return Int(status.st_size)
    }

    /// Reads up to `bytes.count` bytes of the WAL; fewer only at its end.
    package func readWAL(
        _ bytes: UnsafeMutableRawBufferPointer,
        at byteOffset: Int
    ) throws(VaultError) -> Int {
        try Self.read(self.wal, bytes, at: byteOffset, path: self.walPath)
    }

    /// Reads up to `bytes.count` bytes of the database; fewer only at its end.
    package func readDatabase(
        _ bytes: UnsafeMutableRawBufferPointer,
        at byteOffset: Int
    ) throws(VaultError) -> Int {
        try Self.read(self.database, bytes, at: byteOffset, path: self.path)
    }

    private static func read(
        _ descriptor: Int32,
        _ bytes: UnsafeMutableRawBufferPointer,
        at byteOffset: Int,
        path: String
    ) throws(VaultError) -> Int {
        var done = 0
        while done < bytes.count {
            let count = pread(
                descriptor,
                bytes.baseAddress.map { $0 + done },
                bytes.count - done,
                off_t(byteOffset + done)
            )
            if count == 0 { break }
            guard count > 0 else {
                if errno == EINTR { continue }
                throw .system(errno: errno, call: "read", path: path)
            }
            done += count
        }
        return done
    }

    /// Writes all of `bytes` to the WAL.
    ///
    /// WRITE is held.
    package func writeWAL(
        _ bytes: UnsafeRawBufferPointer,
        at byteOffset: Int
    ) throws(VaultError) {
        try Self.write(self.wal, bytes, at: byteOffset, path: self.walPath)
    }

    /// Writes all of `bytes` to the database.
    ///
    /// The checkpoint lock and the readers' slot 0 are held.
    func writeDatabase(
        _ bytes: UnsafeRawBufferPointer,
        at byteOffset: Int
    ) throws(VaultError) {
        try Self.write(self.database, bytes, at: byteOffset, path: self.path)
    }

    /// Cuts the database, or fills it up, to its size, and makes what it holds durable.
    func finishDatabase(byteCount: Int) throws(VaultError) {
        guard ftruncate(self.database, off_t(byteCount)) == 0 else {
            throw .system(errno: errno, call: "ftruncate", path: self.path)
        }
        guard fsync(self.database) == 0 else {
            throw .system(errno: errno, call: "fsync", path: self.path)
        }
    }

    private static func write(
        _ descriptor: Int32,
        _ bytes: UnsafeRawBufferPointer,
        at byteOffset: Int,
        path: String
    ) throws(VaultError) {
        var done = 0
        while done < bytes.count {
            let count = pwrite(
                descriptor,
                bytes.baseAddress.map { $0 + done },
                bytes.count - done,
                off_t(byteOffset + done)
            )
            guard count >= 0 else {
                if errno == EINTR { continue }
                throw .system(errno: errno, call: "write", path: path)
            }
            done += count
        }
    }

    /// Makes what the WAL holds durable.
    ///
    /// After a failure nothing about its content is known.
    package func syncWAL() throws(VaultError) {
        guard SyncTimes.syncData(self.wal) == 0 else {
            throw .system(errno: errno, call: "fdatasync", path: self.walPath)
        }
    }
}
