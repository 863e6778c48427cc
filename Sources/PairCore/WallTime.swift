/// A reading of the wall clock, for people: no decision is ever made on one.
///
/// Written as RFC 3339 in UTC, to the millisecond.
package struct WallTime: Hashable, Comparable, Sendable {
    package let millisecondsSince1970: Int64

    package init(millisecondsSince1970: Int64) {
        self.millisecondsSince1970 = millisecondsSince1970
    }

    package init(secondsSince1970: Int64) {
        self.millisecondsSince1970 = secondsSince1970 * 1000
    }

    package static func < (lhs: WallTime, rhs: WallTime) -> Bool {
        lhs.millisecondsSince1970 < rhs.millisecondsSince1970
    }

    /// Seconds from `other` to this, negative when `other` is later.
    package func seconds(since other: WallTime) -> Double {
        Double(self.millisecondsSince1970 - other.millisecondsSince1970) / 1000
    }

    /// The same moment on the calendar.
    ///
    /// Days to civil date by the 400-year cycle of the Gregorian calendar that starts on 1 March,
    /// so that a leap day is always the last of its year.
    package var calendar: Calendar {
        let secondsSince1970 = self.millisecondsSince1970.flooredQuotient(1000)
        let days = secondsSince1970.flooredQuotient(86_400)
        let secondOfDay = Int(secondsSince1970 - days * 86_400)
        let shifted = days + 719_468
        let era = shifted.flooredQuotient(146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let isAfterFebruary = month < 10
        return Calendar(
            year: Int(yearOfEra + era * 400) + (isAfterFebruary ? 0 : 1),
            month: Int(isAfterFebruary ? month + 3 : month - 9),
            day: Int(dayOfYear - (153 * month + 2) / 5 + 1),
            hour: secondOfDay / 3600,
            minute: secondOfDay / 60 % 60,
            second: secondOfDay % 60,
            millisecond: Int(self.millisecondsSince1970 - secondsSince1970 * 1000)
        )
    }

    /// A moment as people write it, in UTC.
    package struct Calendar: Hashable, Sendable {
        package var year: Int
        package var month: Int
        package var day: Int
        package var hour: Int
        package var minute: Int
        package var second: Int
        package var millisecond: Int
    }
}

extension WallTime: CustomStringConvertible {
    /// RFC 3339, as in `2026-11-02T03:14:07.250Z`.
    package var description: String {
        let at = self.calendar
        let date =
            "\(Self.padded(at.year, 4))-\(Self.padded(at.month, 2))-\(Self.padded(at.day, 2))"
        let time = "\(self.clock):\(Self.padded(at.second, 2)).\(Self.padded(at.millisecond, 3))"
        return "\(date)T\(time)Z"
    }

    /// The day and the minute, as in `2026-11-02 03:14`.
    package var minute: String {
        let at = self.calendar
        return "\(Self.padded(at.year, 4))-\(Self.padded(at.month, 2))-\(Self.padded(at.day, 2)) "
            + self.clock
    }

    /// Hour and minute, as in `03:14`.
    package var clock: String {
        let at = self.calendar
        return "\(Self.padded(at.hour, 2)):\(Self.padded(at.minute, 2))"
    }

    private static func padded(_ value: Int, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

extension WallTime {
    /// Reads RFC 3339 in UTC, with or without a fraction; `nil` for anything else.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count >= 20, bytes.last == UInt8(ascii: "Z") else { return nil }
        let separators: [(Int, Character)] = [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")]
        for (index, separator) in separators where bytes[index] != separator.asciiValue {
            return nil
        }
        func number(_ range: Range<Int>) -> Int64? {
            bytes[range].allSatisfy { (0x30...0x39).contains($0) }
                ? Int64(String(decoding: bytes[range], as: UTF8.self)) : nil
        }
        var milliseconds: Int64 = 0
        if bytes.count > 20 {
            let fraction = bytes[20..<bytes.count - 1]
            guard bytes[19] == UInt8(ascii: "."), (1...9).contains(fraction.count),
                fraction.allSatisfy({ (0x30...0x39).contains($0) })
            else { return nil }
            let digits = Array(fraction) + [0x30, 0x30]
            milliseconds = digits[..<3].reduce(0) { $0 * 10 + Int64($1 - 0x30) }
        }
        guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
            let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19),
            (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second < 61
        else { return nil }
        let marchYear = month > 2 ? year : year - 1
        let era = marchYear.flooredQuotient(400)
        let yearOfEra = marchYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        let days = era * 146_097 + dayOfEra - 719_468
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second
        self.init(millisecondsSince1970: seconds * 1000 + milliseconds)
    }
}

extension WallTime: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let value = Self(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container,
                debugDescription: "not a time as in 2026-11-02T03:14:07Z"
            )
        }
        self = value
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.description)
    }
}

extension Int64 {
    /// Division that rounds towards minus infinity; `divisor` is positive.
    fileprivate func flooredQuotient(_ divisor: Int64) -> Int64 {
        self >= 0 ? self / divisor : -((-self + divisor - 1) / divisor)
    }
}
