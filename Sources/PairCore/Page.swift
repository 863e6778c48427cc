/// The number of a page of the vault, from 1 as SQLite counts.
package struct PageNumber: Hashable, Comparable, Sendable {
    package let rawValue: UInt32

    package init(_ rawValue: UInt32) { self.rawValue = rawValue }

    package static let first = PageNumber(1)

    package static func < (lhs: PageNumber, rhs: PageNumber) -> Bool {
        lhs.rawValue < rhs.rawValue
    }
}

/// The size of the vault's pages: a power of two from 512 to 65,536 bytes.
package struct PageSize: Hashable, Sendable {
    package let byteCount: Int

    /// `nil` when SQLite has no pages of that size.
    package init?(byteCount: Int) {
        guard (512...65_536).contains(byteCount), byteCount & (byteCount - 1) == 0 else {
            return nil
        }
        self.byteCount = byteCount
    }

    package var log2: UInt8 { UInt8(self.byteCount.trailingZeroBitCount) }

    /// The page that holds SQLite's lock bytes at 2^30 and is never written (fileformat2, 1.3.1).
    package var lockPage: PageNumber { PageNumber(UInt32(0x4000_0000 / self.byteCount) + 1) }
}
