/// Why a text is not a pairing code.
package enum PairingCodeError: Error, Hashable, Sendable {
    case wrongLength(symbols: Int)
    case unknownSymbol(Character)
    /// Some symbol is not the one that was printed.
    case wrongCheckSymbol
}

extension PairingCodeError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .wrongLength(let symbols):
            "a pairing code has 25 letters and digits, this one has \(symbols); type all five groups"
        case .unknownSymbol(let symbol):
            "a pairing code has no \(String(symbol).debugDescription); check what was typed"
        case .wrongCheckSymbol:
            "this pairing code was mistyped: its last symbol does not match the others"
        }
    }
}

/// What proves that two operators, or one at two screens, mean each other's node: 120 random bits.
///
/// Written as 24 symbols of Crockford's base 32 and a check symbol of the same 32, in five groups of
/// five: letters and digits only, so that no shell takes any of them for more. Reading it back does
/// not mind case, spaces, dashes, the letter O for a zero, or I and L for a one. The check symbol
/// finds every wrong symbol and every exchange of two, so that a slip of the finger costs no try.
package struct PairingCode: Sendable {
    /// The 15 bytes; whoever has them can enter the pair.
    package let bytes: [UInt8]

    package static let byteCount = 15

    /// `nil` unless there are 15 bytes.
    package init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    package init(_ text: String) throws(PairingCodeError) {
        var values: [Int] = []
        for symbol in text.uppercased() where !symbol.isWhitespace && symbol != "-" {
            guard let value = CrockfordBase32.value(of: symbol) else {
                throw .unknownSymbol(symbol)
            }
            values.append(value)
        }
        guard values.count == 25 else { throw .wrongLength(symbols: values.count) }
        let check = values.removeLast()
        guard check == CrockfordBase32.check(of: values) else { throw .wrongCheckSymbol }
        self.bytes = CrockfordBase32.bytes(of: values)
    }

    /// The five groups, for the operator's eyes only; never to be logged.
    package var text: String {
        var values = CrockfordBase32.values(of: self.bytes)
        values.append(CrockfordBase32.check(of: values))
        return CrockfordBase32.grouped(values, separator: "-")
    }
}

extension PairingCode: CustomStringConvertible {
    /// Never the code.
    package var description: String { "***" }
}

/// What people compare to see that they look at the same keys: the first 100 bits of a digest, as
/// four groups of five symbols.
package struct Fingerprint: Hashable, Sendable, CustomStringConvertible {
    package let description: String

    package init(ofDigest digest: [UInt8]) {
        let values = CrockfordBase32.values(of: Array(digest.prefix(15)))
        self.description = CrockfordBase32.grouped(Array(values.prefix(20)), separator: "-")
    }
}

/// Crockford's base 32: no I, L, O or U among its digits.
enum CrockfordBase32 {
    private static let alphabet: [Character] = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ")

    static func value(of symbol: Character) -> Int? {
        switch symbol {
        case "O": 0
        case "I", "L": 1
        default: self.alphabet.firstIndex(of: symbol)
        }
    }

    /// Five bits each, the most significant first; `bytes` is a multiple of five long.
    static func values(of bytes: [UInt8]) -> [Int] {
        var values: [Int] = []
        var held = 0
        var bits = 0
        for byte in bytes {
            held = held << 8 | Int(byte)
            bits += 8
            while bits >= 5 {
                bits -= 5
                values.append(held >> bits & 31)
            }
            held &= 1 << bits - 1
        }
        return values
    }

    static func bytes(of values: [Int]) -> [UInt8] {
        var bytes: [UInt8] = []
        var held = 0
        var bits = 0
        for value in values {
            held = held << 5 | value
            bits += 5
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: held >> bits))
            }
            held &= 1 << bits - 1
        }
        return bytes
    }

    /// A weighted sum over GF(32), at most 30 symbols long.
    ///
    /// Each symbol's weight is another power of `x`, so that neither another symbol in one place nor
    /// two symbols that have changed places leave the sum as it was.
    static func check(of values: [Int]) -> Int { values.reduce(0) { self.doubled($0 ^ $1) } }

    /// The product with `x` modulo the primitive polynomial x⁵ + x² + 1.
    private static func doubled(_ value: Int) -> Int {
        value & 16 == 0 ? value << 1 : value << 1 ^ 0b100101
    }

    static func grouped(_ values: [Int], separator: Character) -> String {
        var text = ""
        for (index, value) in values.enumerated() {
            if index > 0, index % 5 == 0 { text.append(separator) }
            text.append(self.alphabet[value])
        }
        return text
    }
}
