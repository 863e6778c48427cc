/// The number of a committed transaction, from 1, without gaps; 0 is before the first.
package struct TXID: Hashable, Comparable, Sendable, Codable {
    package let rawValue: UInt64

    package init(_ rawValue: UInt64) { self.rawValue = rawValue }

    package static let zero = TXID(0)

    package static func < (lhs: TXID, rhs: TXID) -> Bool { lhs.rawValue < rhs.rawValue }

    package var next: TXID { TXID(self.rawValue + 1) }

    package func advanced(by count: UInt64) -> TXID { TXID(self.rawValue + count) }

    /// How many transactions this one is ahead of `other`; 0 when it is behind.
    package func distance(from other: TXID) -> UInt64 {
        self > other ? self.rawValue - other.rawValue : 0
    }
}

extension TXID: CustomStringConvertible {
    package var description: String { String(self.rawValue) }
}
