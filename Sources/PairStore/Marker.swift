import PairCore
import PairWAL

/// Layer 2 of the gate: the write version in the vault's header, byte 18 of page 1.
///
/// A value that SQLite does not know makes every connection read-only, with no daemon running, over
/// kill -9, reboot and copy (fileformat2, 1.3.3). The byte is local to a node: it is never shipped,
/// has no TXID, and counts as 2 in every hash.
enum Marker {
    static let byteOffset = 18
    /// Nobody may write; the read version beside it still says WAL.
    static let set: UInt8 = 3
    /// As SQLite leaves it in WAL mode.
    static let cleared: UInt8 = 2
}

extension WALAppender {
    /// Appends page 1 with the marker set or cleared, as a commit of its own.
    ///
    /// Durable and seen by everybody when it returns. In the database file it is only after the
    /// next checkpoint; until then a file that loses its `-wal` is as it was before.
    ///
    /// - Parameter image: page 1 as it is now.
    mutating func mark(
        _ value: UInt8,
        firstPage image: [UInt8],
        pageCount: UInt32
    ) throws(VaultError) {
        var image = image
        image[Marker.byteOffset] = value
        try self.begin()
        let bytes = image
        try bytes.span.bytes.withUnsafeBytes { raw throws(VaultError) in
            try self.append(.first, raw)
        }
        self.seal(pagesAfter: pageCount)
        try self.sync()
        try self.publish()
    }
}

extension AttachedVault {
    /// Whether the marker is set, as readers see page 1.
    func hasMarker() throws(VaultError) -> Bool {
        try self.firstPage()[Marker.byteOffset] == Marker.set
    }

    /// Sets or clears the marker; durable and seen by everybody when it returns.
    ///
    /// The gate is closed by layer 1, and nobody else appends to the WAL.
    func setMarker(_ isSet: Bool) throws(VaultError) {
        var appender = try WALAppender(self.files, pageSize: self.pageSize)
        try self.setMarker(isSet, with: &appender)
    }

    /// - Returns: `false` when it was so already.
    @discardableResult
    func setMarker(
        _ isSet: Bool,
        with appender: inout WALAppender
    ) throws(VaultError) -> Bool {
        let value = isSet ? Marker.set : Marker.cleared
        let image = try self.firstPage()
        guard image[Marker.byteOffset] != value else { return false }
        let known = appender.published.pageCount
        let pageCount =
            known > 0
            ? known : UInt32(try self.files.databaseByteCount() / self.pageSize.byteCount)
        try appender.mark(value, firstPage: image, pageCount: pageCount)
        return true
    }

    /// Brings the marker into the database file, as far as readers allow it.
    func checkpointMarker() throws(VaultError) {
        let connection = try self.borrowConnection()
        defer { self.giveBack(connection) }
        // A connection that has never read does nothing for a vault that is marked.
        try connection.touch()
        try self.whileCheckpointing { () throws(VaultError) in
            _ = try connection.checkpointPassively()
            try self.retakeCheckpointLock()
        }
    }

    /// Page 1 as readers see it.
    func firstPage() throws(VaultError) -> [UInt8] {
        try self.withPages { page throws(VaultError) in try page(.first) }
    }

    /// Calls `body` with what reads the pages of one state.
    func withPages<Answer>(
        _ body: ((PageNumber) throws(VaultError) -> [UInt8]) throws(VaultError) -> Answer
    ) throws(VaultError) -> Answer {
        let connection = try self.borrowConnection()
        defer { self.giveBack(connection) }
        let snapshot = try Snapshot(of: self.files, through: connection, pageSize: self.pageSize)
        defer { snapshot.end() }
        return try body { number throws(VaultError) in
            var image = [UInt8](repeating: 0, count: self.pageSize.byteCount)
            let result: Result<Void, VaultError> = image.withUnsafeMutableBytes { bytes in
                do throws(VaultError) {
                    return .success(try snapshot.read(number, into: bytes))
                } catch {
                    return .failure(error)
                }
            }
            try result.get()
            return image
        }
    }
}
