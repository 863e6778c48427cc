/// Quantities in a person's words.
package enum StatusText {
    /// `84 ms`, `0.8 s`, `41 s`, `14m`, `3h 20m`, `6d 22h`.
    ///
    /// With `decimals`, less than ten seconds are told with a tenth.
    package static func time(_ seconds: Double, decimals: Bool = true) -> String {
        guard seconds.isFinite, seconds > 0 else { return "0 s" }
        if decimals, seconds < 0.1 { return "\(Int((seconds * 1000).rounded(.up))) ms" }
        if decimals, seconds < 9.95 { return "\(self.tenths(seconds)) s" }
        let whole = Int(min(seconds, 1e12).rounded())
        if whole < 120 { return "\(whole) s" }
        let units = [(whole / 86_400, "d"), (whole / 3600 % 24, "h"), (whole / 60 % 60, "m")]
        let told = units.drop { $0.0 == 0 }.prefix(2).filter { $0.0 > 0 }
        return told.map { "\($0.0)\($0.1)" }.joined(separator: " ")
    }

    /// `512 B`, `4.0 KiB`, `1.5 GiB`.
    package static func size(_ bytes: UInt64, decimals: Bool = true) -> String {
        let units = ["KiB", "MiB", "GiB", "TiB"]
        guard bytes >= 1024 else { return "\(bytes) B" }
        var value = Double(bytes) / 1024
        var unit = 0
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        let isExact = decimals && value < 99.95
        return "\(isExact ? self.tenths(value) : String(Int(value.rounded(.up)))) \(units[unit])"
    }

    /// With a comma between thousands.
    package static func count(_ value: UInt64) -> String {
        var groups: [Substring] = []
        var digits = Substring(String(value))
        while digits.count > 3 {
            groups.append(digits.suffix(3))
            digits = digits.dropLast(3)
        }
        groups.append(digits)
        return groups.reversed().joined(separator: ",")
    }

    /// `1 transaction`, `3 transactions`.
    package static func counted(_ value: UInt64, _ noun: String) -> String {
        "\(self.count(value)) \(noun)\(value == 1 ? "" : "s")"
    }

    private static func tenths(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
