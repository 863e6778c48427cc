package import PairCore
import PairWAL

/// A committed state whose position in history is known, held readable.
///
/// It keeps the WAL from restarting, so it is for slices, not for hours. Usable from any one thread;
/// ended once, by whoever took it.
package final class Mark: Sendable {
    package let position: Position
    /// The hashes of all pages at ``position``.
    package let pages: PageMap
    private let snapshot: Snapshot
    private let vault: AttachedVault
    private let connection: SQLiteConnection

    /// Marks the state that `capture` has reached when it answers.
    ///
    /// - Parameter capture: consumes every commit up to the header it is given, and no further.
    init(
        of vault: AttachedVault,
        capturing capture: (WALIndex.Header) throws(VaultError) -> CapturedState
    ) throws(VaultError) {
        let connection = try vault.borrowConnection()
        let snapshot = try Snapshot(
            of: vault.files,
            through: connection,
            pageSize: vault.pageSize
        )
        do throws(VaultError) {
            let state = try capture(snapshot.header)
            self.position = state.position
            self.pages = state.pages
        } catch {
            snapshot.end()
            vault.giveBack(connection)
            throw error
        }
        self.snapshot = snapshot
        self.vault = vault
        self.connection = connection
    }

    package var pageSize: PageSize { self.pages.pageSize }
    package var pageCount: UInt32 { self.pages.pageCount }

    /// Reads one page's image as it is shipped: page 1 without the marker.
    ///
    /// - Parameter bytes: one page long.
    package func read(
        _ page: PageNumber,
        into bytes: UnsafeMutableRawBufferPointer
    ) throws(VaultError) {
        try self.snapshot.read(page, into: bytes)
        if page == .first { bytes[18] = 2 }
    }

    /// Hashes every page anew, from what the disk holds.
    package func scan() throws(VaultError) -> PageMap { try self.snapshot.scan().pages }

    /// Lets the WAL go on; nothing may be read any more.
    package func end() {
        self.snapshot.end()
        self.vault.giveBack(self.connection)
    }
}
