import Glibc

/// The vault of the workload *rotate*: secrets that are replaced, and an audit of each replacement.
enum RotateVault {
    static let secrets = 20_000
    static let secretByteCount = 512

    /// Makes it with stock SQLite, in WAL mode.
    ///
    /// - Parameter ballastBytes: of further rows that no workload touches but ``Scatter``.
    static func make(at path: String, ballastBytes: Int = 0) throws(BenchError) {
        let database = try Database(path, .make)
        let ballastRows = ballastBytes / Self.ballastRowByteCount
        try database.execute(
            """
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = OFF;
            PRAGMA wal_autocheckpoint = 0;
            CREATE TABLE secret (
              id INTEGER PRIMARY KEY, name TEXT NOT NULL, value BLOB NOT NULL, rotated INTEGER NOT NULL);
            CREATE TABLE audit (
              id INTEGER PRIMARY KEY, at INTEGER NOT NULL, secret INTEGER NOT NULL, action TEXT NOT NULL);
            CREATE TABLE ballast (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(self.secrets))
              INSERT INTO secret SELECT i, 'service-' || i, randomblob(\(self.secretByteCount)), 0 FROM n;
            INSERT INTO audit VALUES (1, 0, 0, 'made');
            """
        )
        if ballastRows > 0 {
            try database.execute(
                """
                WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(ballastRows))
                  INSERT INTO ballast SELECT i, randomblob(\(self.ballastRowByteCount)) FROM n;
                """
            )
        }
        try database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    }

    /// One row fills a page of 4 KiB, less what SQLite needs of it.
    private static let ballastRowByteCount = 4_000

    /// Replaces `count` ballast rows spread over the whole vault, in one transaction.
    static func scatter(_ count: Int, at path: String) throws(BenchError) {
        let database = try Database(path)
        try database.execute(
            """
            WITH total(n) AS (SELECT max(id) FROM ballast),
              chosen(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM chosen WHERE i < \(count))
            UPDATE ballast SET body = randomblob(\(self.ballastRowByteCount))
              WHERE id IN (SELECT 1 + (i - 1) * n / \(count) FROM chosen, total);
            """
        )
    }
}
