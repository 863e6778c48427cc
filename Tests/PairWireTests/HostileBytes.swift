import PairCore
import Testing

/// What every decoder of a message must stand, whoever wrote the bytes.
///
/// A decoder that takes bytes must have understood all of them: what it read is written again as
/// the same bytes. That is more than "does not crash", and finds fields that are read and dropped.
struct HostileBytes {
    let payload: [UInt8]
    /// Reads the bytes as a message and writes that message again.
    let rewritten: (ArraySlice<UInt8>) throws(ByteError) -> [UInt8]

    /// Every shorter run of bytes is refused, and one byte more as well.
    func expectWholeOrNothing() {
        for count in self.payload.indices {
            #expect(throws: ByteError.self, "the first \(count) bytes were taken for a message") {
                try self.rewritten(self.payload[..<count])
            }
        }
        #expect(throws: ByteError.self, "a byte too many was taken") {
            try self.rewritten((self.payload + [0])[...])
        }
    }

    /// Every single flipped bit and every byte set to an extreme is refused or understood.
    func expectNoGuessing() {
        for index in self.payload.indices {
            let byte = self.payload[index]
            let others = (0..<8).map { byte ^ 1 << UInt8($0) } + [0, 0x7f, 0x80, 0xff]
            for other in others {
                var changed = self.payload
                changed[index] = other
                self.expectUnderstoodOrRefused(changed, "byte \(index) set to \(other)")
            }
        }
    }

    /// Four bytes of any place taken for a length, the largest first, allocate and trap nothing.
    func expectNoTrustInLengths() {
        for index in self.payload.indices.dropLast(3) {
            for length in [UInt32.max, 0x7fff_ffff, 0x0010_0001, 4097, 257] {
                var changed = self.payload
                for shift in 0..<4 {
                    changed[index + shift] = UInt8(truncatingIfNeeded: length >> UInt32(8 * shift))
                }
                self.expectUnderstoodOrRefused(changed, "\(length) at \(index)")
            }
        }
    }

    private func expectUnderstoodOrRefused(_ bytes: [UInt8], _ what: String) {
        guard let rewritten = try? self.rewritten(bytes[...]) else { return }
        #expect(rewritten == bytes, "\(what) was read as something else")
    }
}

extension Position {
    static func example(_ txid: UInt64) -> Position {
        Position(
            epoch: Epoch(rawValue: 7),
            txid: TXID(txid),
            digest: VaultDigest(txid, txid &* 3, .max, 1)
        )
    }
}

extension Lineage {
    static let example = Lineage([
        LineageEntry(
            epoch: Epoch(rawValue: 2),
            owner: .zero,
            fork: .start,
            cause: .enable,
            wallSeconds: 1_793_000_000
        ),
        LineageEntry(
            epoch: Epoch(rawValue: 7),
            owner: .one,
            fork: .example(991),
            cause: .failover,
            wallSeconds: -1
        ),
    ])
}

extension PageSize {
    static let example = PageSize(byteCount: 4096)
}
