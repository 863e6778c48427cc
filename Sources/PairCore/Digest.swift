/// SHA-256 over "paird-page-v1", the page number (u32, little-endian) and the page.
///
/// Page 1 is hashed with byte 18 = 2, whether or not the marker is set.
package struct PageHash: Hashable, Sendable {
    /// The 32 bytes as four little-endian words: the lanes that a ``VaultDigest`` sums.
    package var lanes: (UInt64, UInt64, UInt64, UInt64)

    package init(_ lane0: UInt64, _ lane1: UInt64, _ lane2: UInt64, _ lane3: UInt64) {
        self.lanes = (lane0, lane1, lane2, lane3)
    }

    /// Of a page that is not there: adds nothing to a digest.
    package static let absent = PageHash(0, 0, 0, 0)

    package static func == (lhs: PageHash, rhs: PageHash) -> Bool { lhs.lanes == rhs.lanes }

    package func hash(into hasher: inout Hasher) { hasher.combine(self.lanes.0) }
}

/// The sum of all page hashes of a vault, lane by lane modulo 2^64, the lock page left out.
///
/// It costs a subtraction and an addition per changed page, does not depend on an order, and can be
/// computed from a bare file. It finds errors and divergence; it is no proof against somebody who
/// chooses pages to defeat it. It means nothing without its ``TXID`` and page count.
package struct VaultDigest: Hashable, Sendable {
    package private(set) var lanes: (UInt64, UInt64, UInt64, UInt64)

    package init(_ lane0: UInt64, _ lane1: UInt64, _ lane2: UInt64, _ lane3: UInt64) {
        self.lanes = (lane0, lane1, lane2, lane3)
    }

    /// Of a vault without pages.
    package static let empty = VaultDigest(0, 0, 0, 0)

    package static func == (lhs: VaultDigest, rhs: VaultDigest) -> Bool { lhs.lanes == rhs.lanes }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(self.lanes.0)
        hasher.combine(self.lanes.1)
    }

    /// Takes note that one page's hash `old` (``PageHash/absent`` if it is new) became `new`.
    package mutating func replace(_ old: PageHash, with new: PageHash) {
        self.lanes.0 = self.lanes.0 &- old.lanes.0 &+ new.lanes.0
        self.lanes.1 = self.lanes.1 &- old.lanes.1 &+ new.lanes.1
        self.lanes.2 = self.lanes.2 &- old.lanes.2 &+ new.lanes.2
        self.lanes.3 = self.lanes.3 &- old.lanes.3 &+ new.lanes.3
    }
}

extension VaultDigest: CustomStringConvertible, Codable {
    /// 64 hexadecimal digits, lane 0 first.
    package var description: String {
        Hex.string(self.lanes.0) + Hex.string(self.lanes.1) + Hex.string(self.lanes.2)
            + Hex.string(self.lanes.3)
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let bytes = Hex.bytes(try container.decode(String.self)), bytes.count == 32 else {
            throw DecodingError.dataCorruptedError(
                in: container,
                debugDescription: "not 64 hexadecimal digits"
            )
        }
        let lanes = stride(from: 0, to: 32, by: 8).map { start in
            bytes[start..<start + 8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        }
        self.init(lanes[0], lanes[1], lanes[2], lanes[3])
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.description)
    }
}
