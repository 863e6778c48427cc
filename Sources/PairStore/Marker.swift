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

extension Applier {
    /// Sets or clears the marker, if it is not so already.
    ///
    /// Clearing is the last thing before the gate opens: nothing may be applied after it. The next
    /// checkpoint, within a second, brings the byte into the file.
    package func setMarker(_ isSet: Bool) throws(VaultError) {
        try self.exclusively { state throws(VaultError) in
            let value = isSet ? Marker.set : Marker.cleared
            let image = try self.firstPage(state)
            guard image[Marker.byteOffset] != value else { return }
            state.parts = nil
            try state.appender.mark(
                value,
                firstPage: image,
                pageCount: state.appender.published.pageCount(state.pages)
            )
        }
        self.pacer.noteMarker()
    }

    /// Page 1 as readers see it.
    private func firstPage(_ state: State) throws(VaultError) -> [UInt8] {
        let connection = try self.vault.borrowConnection()
        defer { self.vault.giveBack(connection) }
        let snapshot = try Snapshot(
            of: self.vault.files,
            through: connection,
            pageSize: self.vault.pageSize
        )
        defer { snapshot.end() }
        var image = [UInt8](repeating: 0, count: self.vault.pageSize.byteCount)
        let result: Result<Void, VaultError> = image.withUnsafeMutableBytes { bytes in
            do throws(VaultError) {
                return .success(try snapshot.read(.first, into: bytes))
            } catch {
                return .failure(error)
            }
        }
        try result.get()
        return image
    }
}

extension WALIndex.Header {
    /// The vault's page count; the header does not know it before the first commit of a WAL.
    func pageCount(_ pages: PageMap) -> UInt32 {
        self.pageCount > 0 ? self.pageCount : pages.pageCount
    }
}
