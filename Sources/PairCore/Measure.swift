/// Durations and sizes as people write them: a whole number and its unit, without a space.
///
/// The unit is never guessed: `timeout: 14` could be off by a factor of sixty, and would be found
/// out on the day of a failover.
package enum Measure {
    /// Why a text is not a duration or a size.
    package enum Problem: Error, Hashable, Sendable {
        case notANumber
        case noUnit
        case unknownUnit(String)
        case tooLarge
    }

    /// `250ms`, `30s`, `14m`, `24h`, `7d`.
    package static func duration(_ text: String) throws(Problem) -> Duration {
        let (value, unit) = try self.split(text)
        let milliseconds: Int64 =
            switch unit {
            case "ms": 1
            case "s": 1_000
            case "m": 60_000
            case "h": 3_600_000
            case "d": 86_400_000
            default: throw .unknownUnit(unit)
            }
        let (product, overflow) = value.multipliedReportingOverflow(by: milliseconds)
        guard !overflow else { throw .tooLarge }
        return .milliseconds(product)
    }

    /// `64KiB`, `100MiB`, `2GiB`; in bytes.
    package static func byteCount(_ text: String) throws(Problem) -> UInt64 {
        let (value, unit) = try self.split(text)
        let bytes: Int64 =
            switch unit {
            case "KiB": 1 << 10
            case "MiB": 1 << 20
            case "GiB": 1 << 30
            default: throw .unknownUnit(unit)
            }
        let (product, overflow) = value.multipliedReportingOverflow(by: bytes)
        guard !overflow else { throw .tooLarge }
        return UInt64(product)
    }

    /// The inverse of ``duration(_:)``, in the largest unit that keeps it whole.
    package static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let milliseconds = seconds * 1000 + attoseconds / 1_000_000_000_000_000
        let units: [(Int64, String)] = [
            (86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"),
        ]
        for (length, unit) in units where milliseconds != 0 && milliseconds % length == 0 {
            return "\(milliseconds / length)\(unit)"
        }
        return "\(milliseconds)ms"
    }

    /// The inverse of ``byteCount(_:)``, in the largest unit that keeps it whole.
    package static func text(byteCount: UInt64) -> String {
        for (shift, unit) in [(30, "GiB"), (20, "MiB")]
        where byteCount != 0 && byteCount % (1 << UInt64(shift)) == 0 {
            return "\(byteCount >> UInt64(shift))\(unit)"
        }
        return "\(byteCount >> 10)KiB"
    }

    private static func split(_ text: String) throws(Problem) -> (value: Int64, unit: String) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard !digits.isEmpty else { throw .notANumber }
        guard let value = Int64(digits) else { throw .tooLarge }
        let unit = text[digits.endIndex...]
        guard !unit.isEmpty else { throw .noUnit }
        return (value, String(unit))
    }
}
