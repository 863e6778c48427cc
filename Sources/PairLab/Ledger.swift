/// A vault whose content proves itself: credentials that are rotated, and accounts whose sum never
/// changes.
///
/// Every commit touches both, so a reader that ever sees half of one, or two of them out of order,
/// finds the sum wrong or the counter gone backwards.
package enum Ledger {
    package static let accounts = 50
    package static let sum = accounts * 1000

    /// - Parameters:
    ///   - pageSize: of the new vault.
    ///   - more: statements that follow the schema.
    package static func make(
        in lab: LabPair,
        on node: LabNode,
        pageSize: Int = 4096,
        more: String = ""
    ) async throws {
        let made = try await lab.sql(
            node,
            """
            PRAGMA page_size = \(pageSize);
            PRAGMA journal_mode = WAL;
            CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
            CREATE TABLE credential (id INTEGER PRIMARY KEY, name TEXT NOT NULL, secret BLOB NOT NULL);
            CREATE TABLE counter (id INTEGER PRIMARY KEY CHECK (id = 1), value INTEGER NOT NULL);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(self.accounts))
              INSERT INTO account SELECT i, 1000 FROM n;
            INSERT INTO counter VALUES (1, 0);
            \(more)
            """
        )
        guard made.status == 0 else {
            throw LabError.commandFailed(
                command: "sqlite3 on \(node.name)",
                status: made.status,
                output: made.errors
            )
        }
    }

    /// One transaction: moves money, writes a credential, and counts; answered by `ok N`.
    package static func commit(_ number: Int) -> String {
        let (from, to) = (number % self.accounts + 1, (number * 7 + 3) % self.accounts + 1)
        return """
            BEGIN IMMEDIATE;
            UPDATE account SET balance = balance - 1 WHERE id = \(from);
            UPDATE account SET balance = balance + 1 WHERE id = \(to);
            INSERT INTO credential (id, name, secret)
              VALUES (\(number), 'service-\(number)', randomblob(\(16 + number % 500)));
            UPDATE counter SET value = \(number);
            COMMIT;
            SELECT 'ok ' || value FROM counter;
            """
    }

    /// What a reader asks in one read transaction: the sum, the counter and the newest credential.
    package static let look = """
        BEGIN;
        SELECT (SELECT sum(balance) FROM account) || ' ' || (SELECT value FROM counter) || ' '
          || (SELECT count(*) FROM credential) || ' ' || (SELECT coalesce(max(id), 0) FROM credential);
        COMMIT;
        """

    /// What a reader saw.
    package struct View: Sendable, Hashable {
        package var sum: Int
        package var counter: Int
        package var count: Int
        package var newest: Int

        /// A state that the writer has really left behind at some commit.
        package var isConsistent: Bool {
            self.sum == Ledger.sum && self.count == self.counter && self.newest == self.counter
        }

        /// - Throws: when the row is not what ``Ledger/look`` answers.
        package init(_ rows: [String]) throws(LabError) {
            let numbers =
                rows.count == 1 ? rows[0].split(separator: " ").compactMap { Int($0) } : []
            guard numbers.count == 4 else {
                throw .unexpected("a reader saw '\(rows.joined(separator: "; "))'")
            }
            (self.sum, self.counter) = (numbers[0], numbers[1])
            (self.count, self.newest) = (numbers[2], numbers[3])
        }
    }
}
