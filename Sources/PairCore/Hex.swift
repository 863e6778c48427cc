/// Bytes as lowercase hexadecimal digits.
package enum Hex {
    private static let digits: [Character] = Array("0123456789abcdef")

    package static func string(_ bytes: some Sequence<UInt8>) -> String {
        var text = ""
        for byte in bytes {
            text.append(self.digits[Int(byte >> 4)])
            text.append(self.digits[Int(byte & 15)])
        }
        return text
    }

    package static func string(_ value: UInt64) -> String {
        self.string((0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * $0)) })
    }

    /// The bytes that `text` spells; `nil` when it has an odd length or another character.
    package static func bytes(_ text: String) -> [UInt8]? {
        let values = text.utf8.map { Self.value($0) }
        guard values.count % 2 == 0, !values.contains(nil) else { return nil }
        return stride(from: 0, to: values.count, by: 2).map {
            (values[$0] ?? 0) << 4 | (values[$0 + 1] ?? 0)
        }
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 0x30...0x39: digit - 0x30
        case 0x61...0x66: digit - 0x61 + 10
        case 0x41...0x46: digit - 0x41 + 10
        default: nil
        }
    }
}
