import CSQLite

/// A connection to a vault through the stock library, as an application has one.
///
/// Belongs to the thread that made it.
final class Database {
    let path: String
    private let handle: OpaquePointer

    enum Access {
        case make
        case write
        case read
    }

    init(_ path: String, _ access: Access = .write) throws(BenchError) {
        let flags =
            switch access {
            case .make: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
            case .write: SQLITE_OPEN_READWRITE
            case .read: SQLITE_OPEN_READONLY
            }
        var handle: OpaquePointer?
        let code = sqlite3_open_v2(path, &handle, flags, nil)
        guard code == SQLITE_OK, let handle else {
            sqlite3_close_v2(handle)
            throw .sqlite(
                doing: "open",
                vault: path,
                message: String(cString: sqlite3_errstr(code))
            )
        }
        self.path = path
        self.handle = handle
        sqlite3_busy_timeout(handle, 10_000)
    }

    deinit { sqlite3_close_v2(self.handle) }

    func execute(_ sql: String) throws(BenchError) {
        guard sqlite3_exec(self.handle, sql, nil, nil, nil) == SQLITE_OK else {
            throw self.failure(sql)
        }
    }

    func prepare(_ sql: String) throws(BenchError) -> Statement {
        var statement: OpaquePointer?
        guard
            sqlite3_prepare_v3(
                self.handle,
                sql,
                -1,
                UInt32(SQLITE_PREPARE_PERSISTENT),
                &statement,
                nil
            ) == SQLITE_OK, let statement
        else { throw self.failure(sql) }
        return Statement(self, statement)
    }

    fileprivate func failure(_ doing: String) -> BenchError {
        .sqlite(
            doing: doing,
            vault: self.path,
            message: String(cString: sqlite3_errmsg(self.handle))
        )
    }
}

/// A statement that is run again and again.
final class Statement {
    private let database: Database
    private let handle: OpaquePointer

    fileprivate init(_ database: Database, _ handle: OpaquePointer) {
        self.database = database
        self.handle = handle
    }

    deinit { sqlite3_finalize(self.handle) }

    func bind(_ value: Int64, at index: Int32) { sqlite3_bind_int64(self.handle, index, value) }

    /// The bytes are not copied: they must stay where they are until the statement has run.
    func bind(_ bytes: UnsafeRawBufferPointer, at index: Int32) {
        sqlite3_bind_blob(self.handle, index, bytes.baseAddress, Int32(bytes.count), nil)
    }

    /// Runs it to its end; rows are passed over.
    func run() throws(BenchError) {
        _ = try self.row(columns: 0)
    }

    /// The integers of its first row, or `nil` when there is none.
    func row(columns: Int32) throws(BenchError) -> [Int64]? {
        var row: [Int64]?
        var code = sqlite3_step(self.handle)
        if code == SQLITE_ROW {
            row = (0..<columns).map { sqlite3_column_int64(self.handle, $0) }
        }
        while code == SQLITE_ROW { code = sqlite3_step(self.handle) }
        guard code == SQLITE_DONE else {
            let failure = self.database.failure(String(cString: sqlite3_sql(self.handle)))
            sqlite3_reset(self.handle)
            throw failure
        }
        sqlite3_reset(self.handle)
        return row
    }
}
