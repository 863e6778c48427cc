import CWALIndex
import Glibc
import PairCore

/// What is looked at before a vault is touched, so that an operator gets an answer he can act on.
enum Preflight {
    /// What stands behind a path that can be served.
    struct Finding {
        var pageSize: PageSize
        /// Has read the vault once and so has recovered its WAL, if that was needed.
        var connection: SQLiteConnection
        var hasTables: Bool
        /// The vault is on a stack of file systems, as in containers, whose upper layer may vanish.
        var isOnOverlay: Bool
    }

    /// - Throws: each reason why the vault cannot be served, with its cure.
    static func run(_ path: String, busyTimeout: Duration) throws(VaultError) -> Finding {
        var status = stat()
        guard stat(path, &status) == 0 else {
            if errno == ENOENT { throw .missing(path: path) }
            throw .system(errno: errno, call: "stat", path: path)
        }
        guard status.st_size > 0 else { throw .empty(path: path) }
        let isOnOverlay = try self.checkFileSystem(path)
        let connection: SQLiteConnection
        let tableCount: Int
        do throws(VaultError) {
            connection = try SQLiteConnection(path: path, busyTimeout: busyTimeout)
            let mode = try connection.text("PRAGMA journal_mode", doing: "reading the journal mode")
            guard mode == "wal" else { throw .notInWALMode(path: path, mode: mode ?? "unknown") }
            tableCount = try connection.touch()
        } catch {
            if error.isSQLite(Self.notADatabase) { throw .notADatabase(path: path) }
            if error.isSQLite(Self.busy) || error.isSQLite(Self.protocolError) {
                throw .lockedExclusively(path: path, pid: nil)
            }
            throw error
        }
        let text = try connection.text("PRAGMA page_size", doing: "reading the page size")
        let byteCount = text.flatMap { Int($0) } ?? 0
        guard let pageSize = PageSize(byteCount: byteCount) else {
            throw .unsupportedPageSize(path: path, byteCount: byteCount)
        }
        connection.setBusyTimeout(.seconds(5))
        return Finding(
            pageSize: pageSize,
            connection: connection,
            hasTables: tableCount > 0,
            isOnOverlay: isOnOverlay
        )
    }

    private static let busy: Int32 = 5
    private static let protocolError: Int32 = 15
    private static let notADatabase: Int32 = 26

    /// - Returns: whether the file system is an overlay.
    /// - Throws: `.networkFileSystem`, where POSIX locks and shared memory are not what they seem.
    private static func checkFileSystem(_ path: String) throws(VaultError) -> Bool {
        let type = file_system_type(path)
        guard type != 0 else {
            throw .system(errno: errno, call: "statfs", path: path)
        }
        let network: [UInt32: String] = [
            0x6969: "nfs", 0xff53_4d42: "cifs", 0xfe53_4d42: "smb", 0x517b: "smb",
            0x0102_1997: "9p", 0x00c3_6400: "ceph", 0x6573_5546: "fuse",
        ]
        if let name = network[type] { throw .networkFileSystem(path: path, type: name) }
        return type == 0x794c_7630
    }
}
