/// Where something listens: a host and a TCP port, as people write them.
///
/// `192.0.2.7:5022`, `ams-1.example:5022` or `[2001:db8::7]:5022`.
package struct HostPort: Hashable, Sendable {
    /// Without brackets.
    package let host: String
    package let port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// `nil` when the text is not HOST:PORT with a port from 1 to 65535.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }),
            let port = UInt16(digits), port > 0
        else { return nil }
        var host = text[..<colon]
        if host.first == "[" {
            guard host.last == "]", host.count > 2 else { return nil }
            host = host.dropFirst().dropLast()
            guard host.contains(":"), Self.isSpelled(host, with: "0123456789abcdefABCDEF:.%")
            else { return nil }
        } else {
            guard Self.isSpelled(host, with: Self.nameCharacters) else { return nil }
        }
        self.init(host: String(host), port: port)
    }

    /// The host is an IPv4 or IPv6 address, so no name service stands in the way.
    package var isNumeric: Bool {
        if self.host.contains(":") { return true }
        let parts = self.host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy { part in
                (1...3).contains(part.count) && (UInt16(part).map { $0 <= 255 } ?? false)
            }
    }

    private static let nameCharacters =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

    private static func isSpelled(_ text: Substring, with alphabet: String) -> Bool {
        !text.isEmpty && text.allSatisfy { alphabet.contains($0) }
    }
}

extension HostPort: CustomStringConvertible {
    package var description: String {
        self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)"
    }
}
