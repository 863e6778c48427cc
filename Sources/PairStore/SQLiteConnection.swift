import CSQLite
import Glibc

/// One connection to the vault, opened only if the file exists; closed when it is released.
///
/// Never writes: it reads, recovers, checkpoints, and holds read transactions. `Sendable` without
/// more ado because SQLite opens it in serialized mode: calls from several threads queue up.
package final class SQLiteConnection: Sendable {
    // SQLITE_OPEN_FULLMUTEX makes every use of the handle safe from any thread.
    private nonisolated(unsafe) let handle: OpaquePointer

    /// - Parameter busyTimeout: how long calls wait for locks of others.
    /// - Throws: `.missing`, `.sqlite`.
    package init(
        path: String,
        busyTimeout: Duration = .seconds(5)
    ) throws(VaultError) {
        var handle: OpaquePointer?
        let flags =
            SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_PRIVATECACHE
            | SQLITE_OPEN_EXRESCODE
        let code = sqlite3_open_v2(path, &handle, flags, nil)
        guard code == SQLITE_OK, let handle else {
            let message = handle.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            sqlite3_close_v2(handle)
            if access(path, F_OK) != 0 { throw .missing(path: path) }
            throw .sqlite(code: code, message: message, doing: "opening the vault")
        }
        self.handle = handle
        sqlite3_busy_timeout(handle, Self.milliseconds(busyTimeout))
        try self.execute("PRAGMA wal_autocheckpoint=0", doing: "setting up a connection")
        try self.execute("PRAGMA secure_delete=ON", doing: "setting up a connection")
        try self.execute("PRAGMA temp_store=MEMORY", doing: "setting up a connection")
    }

    deinit { sqlite3_close_v2(self.handle) }

    package func setBusyTimeout(_ timeout: Duration) {
        sqlite3_busy_timeout(self.handle, Self.milliseconds(timeout))
    }

    /// Runs a statement without results of interest.
    package func execute(
        _ sql: String,
        doing: VaultError.StaticReason
    ) throws(VaultError) {
        let code = sqlite3_exec(self.handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw self.error(code, doing: doing) }
    }

    /// The first column of the first row as text; `nil` when there is no row.
    package func text(
        _ sql: String,
        doing: VaultError.StaticReason
    ) throws(VaultError) -> String? {
        var statement: OpaquePointer?
        let prepared = sqlite3_prepare_v2(self.handle, sql, -1, &statement, nil)
        guard prepared == SQLITE_OK else { throw self.error(prepared, doing: doing) }
        defer { sqlite3_finalize(statement) }
        let code = sqlite3_step(statement)
        guard code == SQLITE_ROW else {
            guard code == SQLITE_DONE else { throw self.error(code, doing: doing) }
            return nil
        }
        return sqlite3_column_text(statement, 0).map { String(cString: $0) }
    }

    /// Reads the schema, which takes a snapshot for a moment and recovers the wal-index if needed.
    ///
    /// - Returns: how many tables, indexes, views and triggers there are.
    @discardableResult package func touch() throws(VaultError) -> Int {
        let text = try self.text(
            "SELECT count(*) FROM sqlite_schema",
            doing: "reading the vault"
        )
        return text.flatMap { Int($0) } ?? 0
    }

    /// Starts a read transaction and takes its snapshot; ``endReading()`` ends it.
    package func beginReading() throws(VaultError) {
        try self.execute("BEGIN", doing: "starting a read transaction")
        do {
            _ = try self.text("PRAGMA schema_version", doing: "taking a snapshot")
        } catch {
            self.endReading()
            throw error
        }
    }

    package func endReading() {
        // Cannot fail for a transaction that has only read; a failed BEGIN leaves nothing to end.
        sqlite3_exec(self.handle, "COMMIT", nil, nil, nil)
    }

    /// Copies what readers allow from the WAL into the file, and syncs both.
    ///
    /// - Returns: `false` when somebody else was checkpointing.
    package func checkpointPassively() throws(VaultError) -> Bool {
        let code = sqlite3_wal_checkpoint_v2(
            self.handle,
            "main",
            SQLITE_CHECKPOINT_PASSIVE,
            nil,
            nil
        )
        if code & 0xff == SQLITE_BUSY { return false }
        guard code == SQLITE_OK else { throw self.error(code, doing: "checkpointing the vault") }
        return true
    }

    private func error(_ code: Int32, doing: VaultError.StaticReason) -> VaultError {
        .sqlite(code: code, message: String(cString: sqlite3_errmsg(self.handle)), doing: doing)
    }

    private static func milliseconds(_ duration: Duration) -> Int32 {
        let (seconds, attoseconds) = duration.components
        return Int32(clamping: seconds * 1_000 + attoseconds / 1_000_000_000_000_000)
    }
}

extension VaultError {
    /// Whether SQLite answered with this primary result code.
    func isSQLite(_ primaryCode: Int32) -> Bool {
        if case .sqlite(let code, _, _) = self { code & 0xff == primaryCode } else { false }
    }
}
