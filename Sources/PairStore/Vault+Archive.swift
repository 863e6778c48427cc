import PairCore
import Synchronization

/// What the vault holds while no role is at work.
struct RestSnapshot {
    let snapshot: Snapshot
    /// The hashes of its pages, as they were found or left.
    let pages: PageMap
}

extension Vault {
    /// Calls `body` with everything the vault holds, readable page by page, without changing it.
    ///
    /// - Throws: `.notRunning` when the gate is open, the vault is captured or applied to, or was
    ///   written to since it came to rest.
    func withRestSnapshot<Answer>(
        _ body: (RestSnapshot) throws(ArchiveError) -> Answer
    ) throws(ArchiveError) -> Answer {
        let vault: AttachedVault
        let rest: RestSnapshot
        let connection: SQLiteConnection
        do throws(VaultError) {
            vault = try self.attached()
            guard vault.gate.isClosed, let (pages, header) = self.restPages else {
                throw .notRunning("a closed vault at rest")
            }
            connection = try vault.borrowConnection()
            let snapshot = try Snapshot(
                of: vault.files,
                through: connection,
                pageSize: vault.pageSize
            )
            guard snapshot.header == header, snapshot.pageCount == pages.pageCount else {
                snapshot.end()
                vault.giveBack(connection)
                throw .notRunning("a vault that nobody has written to since it came to rest")
            }
            rest = RestSnapshot(snapshot: snapshot, pages: pages)
        } catch {
            throw .vault(error)
        }
        defer {
            rest.snapshot.end()
            vault.giveBack(connection)
        }
        return try body(rest)
    }

    private var restPages: (PageMap, WALIndex.Header)? {
        self.state.withLock { state in state.rest.map { ($0.pages, $0.header) } }
    }
}
