package import NIOCore

/// Where to find the peer: `HOST:PORT`, or `[ADDRESS]:PORT` for IPv6.
package struct PeerAddress: Hashable, Sendable, CustomStringConvertible {
    package let host: String
    package let port: Int

    /// `nil` when there is no host or no port from 1 to 65535.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"),
            let port = UInt16(text[text.index(after: colon)...]), port > 0
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty else { return nil }
        self.host = String(host)
        self.port = Int(port)
    }

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    package var description: String {
        self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)"
    }
}

extension SocketAddress {
    /// The address without its port: what limits per source count by.
    ///
    /// Whoever has one IPv6 address usually has 2^64 of them, so these count by their first 64 bits.
    package var source: Source {
        // Network byte order, at the offsets of sockaddr_in and sockaddr_in6.
        switch self {
        case .v4:
            return .init(bytes: self.bytes(4..<8))
        case .v6:
            let bytes = self.bytes(8..<24)
            // ::ffff:0:0/96 are IPv4 addresses on a socket that speaks both.
            let isMapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10..<12] == [255, 255]
            return .init(bytes: Array(isMapped ? bytes[12...] : bytes[..<8]))
        case .unixDomainSocket:
            return .init(bytes: [])
        }
    }

    private func bytes(_ range: Range<Int>) -> [UInt8] {
        self.withSockAddr { address, count in
            Array(UnsafeRawBufferPointer(start: address, count: count)[range])
        }
    }

    /// See ``source``.
    package struct Source: Hashable, Sendable {
        package let bytes: [UInt8]
    }
}
