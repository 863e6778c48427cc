package import PairCore

// Envelopes carry everything that two nodes say to each other, inside TLS.
//
//     offset  size
//     0       4     payload length, u32, little-endian like all integers of the wire
//     4       1     type: what the payload is; meaning depends on the purpose of the connection
//     5       1     flags: 0; anything else is refused
//     6       2     reserved: 0; anything else is refused
//     8       4     CRC-32C of type, flags and payload
//     12            payload
//
// TLS already proves that nobody changed the bytes on the way. The checksum is there for what TLS
// cannot see: memory that flipped a bit before the bytes were encrypted or after they were opened.
// A receiver refuses a length above its limit before it allocates anything.

/// Why bytes are not an envelope.
package enum EnvelopeError: Error, Hashable, Sendable {
    case tooLong(byteCount: Int, limit: Int)
    case unknownFlags(UInt8)
    case reservedBitsSet(UInt16)
    case wrongChecksum(expected: UInt32, actual: UInt32)
    case tooShort(needed: Int, available: Int)
}

extension EnvelopeError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooLong(let byteCount, let limit):
            "an envelope of \(byteCount) bytes is over the limit of \(limit) bytes"
        case .unknownFlags(let flags): "an envelope has unknown flags \(flags)"
        case .reservedBitsSet(let bits): "an envelope has reserved bits \(bits) set"
        case .wrongChecksum(let expected, let actual):
            "an envelope's checksum is \(actual) where its header says \(expected)"
        case .tooShort(let needed, let available):
            "an envelope of \(needed) bytes ends after \(available) bytes"
        }
    }
}

/// One message with its type, as it stands between the connection and those who understand it.
package struct Envelope: Hashable, Sendable {
    package let type: UInt8
    package let payload: [UInt8]

    package init(type: UInt8, payload: [UInt8]) {
        self.type = type
        self.payload = payload
    }

    /// The most bytes a payload may have on any connection.
    package static let payloadLimit = 1_048_576 + 4096

    /// The header and the payload.
    package func encoded() -> [UInt8] {
        let header = EnvelopeHeader(type: self.type, payload: self.payload)
        var writer = ByteWriter(reserving: EnvelopeHeader.byteCount + self.payload.count)
        header.encode(to: &writer)
        writer.bytes(self.payload)
        return writer.bytes
    }

    /// Reads exactly one envelope and nothing after it.
    package init(decoding bytes: [UInt8], limit: Int = payloadLimit) throws(EnvelopeError) {
        let header = try EnvelopeHeader(decoding: bytes[...], limit: limit)
        let needed = EnvelopeHeader.byteCount + header.payloadByteCount
        guard bytes.count == needed else {
            throw .tooShort(needed: needed, available: bytes.count)
        }
        let payload = Array(bytes[EnvelopeHeader.byteCount...])
        try header.verify(payloadChecksum: header.checksum(of: payload))
        self.init(type: header.type, payload: payload)
    }
}

/// The 12 bytes before a payload.
package struct EnvelopeHeader: Hashable, Sendable {
    package let payloadByteCount: Int
    package let type: UInt8
    package let checksum: UInt32

    package static let byteCount = 12

    package init(type: UInt8, payload: [UInt8]) {
        self.payloadByteCount = payload.count
        self.type = type
        self.checksum = payload.withUnsafeBytes {
            CRC32C.checksum($0, continuing: Self.seed(type: type))
        }
    }

    /// Reads the first 12 of `bytes`; `limit` is the longest payload that is welcome.
    package init(decoding bytes: ArraySlice<UInt8>, limit: Int) throws(EnvelopeError) {
        var reader = ByteReader(bytes)
        let count: Int
        let flags: UInt8
        let reserved: UInt16
        do throws(ByteError) {
            count = Int(try reader.u32("payload length"))
            self.type = try reader.u8("type")
            flags = try reader.u8("flags")
            reserved = try reader.u16("reserved")
            self.checksum = try reader.u32("checksum")
        } catch { throw .tooShort(needed: Self.byteCount, available: bytes.count) }
        guard count <= limit else { throw .tooLong(byteCount: count, limit: limit) }
        guard flags == 0 else { throw .unknownFlags(flags) }
        guard reserved == 0 else { throw .reservedBitsSet(reserved) }
        self.payloadByteCount = count
    }

    package func encode(to writer: inout ByteWriter) {
        writer.u32(UInt32(self.payloadByteCount))
        writer.u8(self.type)
        writer.u8(0)
        writer.u16(0)
        writer.u32(self.checksum)
    }

    /// The checksum of type and flags, to be continued over the payload in as many runs as it takes.
    package var checksumSeed: UInt32 { Self.seed(type: self.type) }

    package func verify(payloadChecksum actual: UInt32) throws(EnvelopeError) {
        guard actual == self.checksum else {
            throw .wrongChecksum(expected: self.checksum, actual: actual)
        }
    }

    fileprivate func checksum(of payload: [UInt8]) -> UInt32 {
        payload.withUnsafeBytes { CRC32C.checksum($0, continuing: self.checksumSeed) }
    }

    private static func seed(type: UInt8) -> UInt32 { CRC32C.checksum([type, 0]) }
}
