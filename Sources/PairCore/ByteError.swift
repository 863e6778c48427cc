/// Why bytes are not what a decoder expected.
package enum ByteError: Error, Hashable, Sendable {
    case tooShort(field: StaticName, needed: Int, available: Int)
    case trailing(byteCount: Int)
    case outOfRange(field: StaticName, value: UInt64)
    case notText(field: StaticName)

    /// The name of a field, known when the program is built.
    package struct StaticName: Hashable, Sendable, ExpressibleByStringLiteral {
        private let literal: StaticString

        package var text: String { "\(self.literal)" }

        package init(stringLiteral value: StaticString) { self.literal = value }

        package static func == (lhs: StaticName, rhs: StaticName) -> Bool { lhs.text == rhs.text }

        package func hash(into hasher: inout Hasher) { hasher.combine(self.text) }
    }
}
