package import PairCore
import PairWAL

/// Takes in a copy of the primary's vault: pages, and the segments that are committed meanwhile.
///
/// Everything comes in the order of the stream. A page is in any version that was committed at or
/// after the position the copy began with; the segments carry every later change, so what is there at
/// the end is the vault at the position of the last segment, and its digest proves it. One thread
/// at a time.
package protocol CopySink: AnyObject, Sendable {
    var pageByteCount: UInt64 { get }

    /// Which pages of a run are not the primary's.
    ///
    /// - Parameter shortHashes: the first 16 bytes of the hash of each page from `first` on.
    /// - Returns: bit i is set when page `first` + i is to be sent.
    func differing(first: PageNumber, shortHashes: [UInt8]) throws(VaultError) -> [UInt8]

    func take(page: PageNumber, image: ArraySlice<UInt8>) throws(VaultError)

    func take(segment bytes: [UInt8]) throws(VaultError)

    /// Makes what has come the vault, if it is the vault at `position`, and gets ready to apply what
    /// follows.
    ///
    /// - Throws: `.digestMismatch` and whatever the disk says; the vault is then as it was.
    func finish(at position: Position) throws(VaultError)

    /// Forgets what has come; the vault is as it was.
    func abandon()
}

/// The hashes of a copy under way, in whatever order its pages come.
///
/// Neither a page number nor a page count reserves memory for pages that have not come.
struct CopiedPages {
    private(set) var map: PageMap
    /// Pages beyond the end of ``map``, which grows page by page.
    private var beyond: [PageNumber: PageHash] = [:]

    init(over map: PageMap) { self.map = map }

    mutating func set(_ page: PageNumber, _ hash: PageHash) {
        let lockPage = self.map.pageSize.lockPage.rawValue
        if page.rawValue == lockPage + 1, self.map.pageCount == lockPage - 1 {
            self.map.resize(to: lockPage)
        }
        if page.rawValue == self.map.pageCount + 1 { self.map.resize(to: page.rawValue) }
        if page.rawValue <= self.map.pageCount {
            self.map.set(page, hash)
        } else {
            self.beyond[page] = hash
        }
    }

    /// Ends the copy with this many pages.
    ///
    /// - Returns: `nil` when a page has never come.
    consuming func finished(pageCount: UInt32) -> PageMap? {
        if pageCount <= self.map.pageCount {
            self.map.resize(to: pageCount)
            return self.map
        }
        for (page, hash) in self.beyond.sorted(by: { $0.key < $1.key })
        where page.rawValue <= pageCount && page.rawValue > self.map.pageCount {
            self.set(page, hash)
        }
        return self.map.pageCount == pageCount ? self.map : nil
    }
}

/// What the segments of a copy say besides their pages.
struct CopiedHistory {
    /// The vault's page count after what has come.
    private(set) var pageCount: UInt32
    private var newest: TXID?
    private var isInsideTransaction = false

    init(pageCount: UInt32) { self.pageCount = pageCount }

    /// Takes note of a segment; they follow each other.
    mutating func take(_ header: SegmentHeader, pageSize: PageSize) throws(VaultError) {
        guard header.pageSize == pageSize else { throw .segment(.badField(.pageSize)) }
        if let newest = self.newest, !self.isInsideTransaction, header.first != newest.next {
            throw .outOfOrder(expected: newest.next, found: header.first)
        }
        if let newest = self.newest, self.isInsideTransaction, header.first != newest {
            throw .outOfOrder(expected: newest, found: header.first)
        }
        self.newest = header.last
        self.isInsideTransaction = header.isOpenPart
        if !header.isOpenPart { self.pageCount = header.pagesAfter }
    }

    /// Whether the copy can end at `position`.
    func ends(at position: Position) -> Bool {
        !self.isInsideTransaction && (self.newest ?? position.txid) == position.txid
    }
}
