import PairCore

/// The part of JSON that a manifest is written in: whole numbers, texts, lists and objects.
///
/// Reading is strict, and bounded in depth, because a manifest may come from the peer.
enum ArchiveJSON: Hashable {
    case null
    /// Digits, perhaps after a minus sign.
    case number(String)
    case text(String)
    case list([ArchiveJSON])
    case object([Member])

    struct Member: Hashable {
        var name: String
        var value: ArchiveJSON

        init(_ name: String, _ value: ArchiveJSON) {
            self.name = name
            self.value = value
        }
    }

    init(_ value: some FixedWidthInteger) { self = .number(String(value)) }

    /// The member of that name; `nil` when there is none or this is no object.
    subscript(name: String) -> ArchiveJSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    // MARK: Writing

    /// Indented by two spaces, with a line feed at the end.
    var encoded: [UInt8] {
        var text = ""
        self.write(into: &text, indent: 0)
        return Array((text + "\n").utf8)
    }

    private func write(into text: inout String, indent: Int) {
        switch self {
        case .null: text += "null"
        case .number(let digits): text += digits
        case .text(let value): text += Self.quoted(value)
        case .list(let values):
            Self.write(values, "[", "]", into: &text, indent) { value, text, indent in
                value.write(into: &text, indent: indent)
            }
        case .object(let members):
            Self.write(members, "{", "}", into: &text, indent) { member, text, indent in
                text += Self.quoted(member.name) + ": "
                member.value.write(into: &text, indent: indent)
            }
        }
    }

    private static func write<Element>(
        _ elements: [Element],
        _ opening: String,
        _ closing: String,
        into text: inout String,
        _ indent: Int,
        _ write: (Element, inout String, Int) -> Void
    ) {
        guard !elements.isEmpty else {
            text += opening + closing
            return
        }
        text += opening
        for (index, element) in elements.enumerated() {
            text += (index == 0 ? "\n" : ",\n") + String(repeating: " ", count: indent + 2)
            write(element, &text, indent + 2)
        }
        text += "\n" + String(repeating: " ", count: indent) + closing
    }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                quoted += "\\u00" + Hex.string([UInt8(scalar.value)])
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}

extension ArchiveJSON {
    private static let deepest = 8

    /// `nil` when the bytes are not one value of this part of JSON.
    init?(_ bytes: [UInt8]) {
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        var reader = Reader(rest: text.unicodeScalars[...])
        guard let value = reader.value(depth: 0) else { return nil }
        reader.skipSpace()
        guard reader.rest.isEmpty else { return nil }
        self = value
    }

    private struct Reader {
        var rest: Substring.UnicodeScalarView

        mutating func skipSpace() {
            self.rest = self.rest.drop { $0 == " " || $0 == "\n" || $0 == "\t" || $0 == "\r" }
        }

        mutating func take(_ scalar: Unicode.Scalar) -> Bool {
            guard self.rest.first == scalar else { return false }
            self.rest.removeFirst()
            return true
        }

        mutating func value(depth: Int) -> ArchiveJSON? {
            guard depth <= ArchiveJSON.deepest else { return nil }
            self.skipSpace()
            switch self.rest.first {
            case "\"": return self.text().map { .text($0) }
            case "[":
                return self.elements("[", "]") { $0.value(depth: depth + 1) }.map { .list($0) }
            case "{":
                return self.elements("{", "}") { reader in
                    guard let name = reader.text() else { return nil }
                    reader.skipSpace()
                    guard reader.take(":"), let value = reader.value(depth: depth + 1) else {
                        return nil
                    }
                    return Member(name, value)
                }.map { .object($0) }
            case "n":
                guard self.rest.starts(with: "null".unicodeScalars) else { return nil }
                self.rest.removeFirst(4)
                return .null
            default: return self.number()
            }
        }

        private mutating func elements<Element>(
            _ opening: Unicode.Scalar,
            _ closing: Unicode.Scalar,
            _ element: (inout Reader) -> Element?
        ) -> [Element]? {
            guard self.take(opening) else { return nil }
            var found: [Element] = []
            self.skipSpace()
            if self.take(closing) { return found }
            while true {
                self.skipSpace()
                guard let next = element(&self) else { return nil }
                found.append(next)
                self.skipSpace()
                if self.take(closing) { return found }
                guard self.take(",") else { return nil }
            }
        }

        private mutating func number() -> ArchiveJSON? {
            let sign = self.take("-") ? "-" : ""
            let digits = self.rest.prefix { ("0"..."9").contains($0) }
            guard !digits.isEmpty, digits.count <= 20 else { return nil }
            self.rest.removeFirst(digits.count)
            return .number(sign + String(digits))
        }

        private mutating func text() -> String? {
            guard self.take("\"") else { return nil }
            var text = String.UnicodeScalarView()
            while let scalar = self.rest.popFirst() {
                switch scalar {
                case "\"": return String(text)
                case "\\":
                    guard let escaped = self.escaped() else { return nil }
                    text.append(escaped)
                case _ where scalar.value < 0x20: return nil
                default: text.append(scalar)
                }
            }
            return nil
        }

        /// What follows a backslash; halves of surrogate pairs are refused, for nobody writes them.
        private mutating func escaped() -> Unicode.Scalar? {
            switch self.rest.popFirst() {
            case "\"": return "\""
            case "\\": return "\\"
            case "/": return "/"
            case "n": return "\n"
            case "r": return "\r"
            case "t": return "\t"
            case "u":
                let digits = self.rest.prefix(4)
                guard digits.count == 4, digits.allSatisfy({ $0.properties.isASCIIHexDigit }),
                    let value = UInt32(String(digits), radix: 16)
                else { return nil }
                self.rest.removeFirst(4)
                return Unicode.Scalar(value)
            default: return nil
            }
        }
    }
}
