/// 128 random bits that name one thing for ever; never reused.
package protocol RandomIdentifier: Hashable, Sendable, CustomStringConvertible, Codable {
    var high: UInt64 { get }
    var low: UInt64 { get }
    init(high: UInt64, low: UInt64)
}

extension RandomIdentifier {
    /// 32 lowercase hexadecimal digits.
    package var description: String { Hex.string(self.high) + Hex.string(self.low) }

    /// Reads 32 hexadecimal digits; `nil` for anything else.
    package init?(_ text: String) {
        guard let bytes = Hex.bytes(text), bytes.count == 16 else { return nil }
        self.init(
            high: bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) },
            low: bytes[8...].reduce(0) { $0 << 8 | UInt64($1) }
        )
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let value = Self(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container,
                debugDescription: "not 32 hexadecimal digits"
            )
        }
        self = value
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.description)
    }
}

/// Names one appliance for ever.
package struct NodeID: RandomIdentifier {
    package let high: UInt64
    package let low: UInt64
    package init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
}

/// Names one pair, from one pairing to its removal.
package struct PairID: RandomIdentifier {
    package let high: UInt64
    package let low: UInt64
    package init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
}

/// Names one vault, given at adoption: when it is first served under a pair.
package struct VaultID: RandomIdentifier {
    package let high: UInt64
    package let low: UInt64
    package init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
}

/// Names one operation of an operator, so that a repeated message is recognised.
package struct OperationID: RandomIdentifier {
    package let high: UInt64
    package let low: UInt64
    package init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
}
