/// Why a run of bytes is not a segment.
package enum SegmentError: Error, Hashable, Sendable {
    case tooShort(expectedByteCount: Int, actualByteCount: Int)
    case tooLong(expectedByteCount: Int, actualByteCount: Int)
    case wrongMagic(UInt32)
    case unknownVersion(UInt16)
    /// A field of the header has a value that it cannot have beside the others.
    case badField(Field)
    /// The record with this number, from 0, is not one, or does not belong where it stands.
    case badRecord(index: Int, Field)
    case wrongChecksum(expected: UInt32, actual: UInt32)

    package enum Field: String, Hashable, Sendable {
        case headerLength
        case kind
        case flags
        case pageSize
        case hashAlgorithm
        case txid
        case pagesAfter
        case recordCount
        case payloadLength
        case digestAfter
        case pageNumber
        case encoding
        case length
        case reserved
    }
}

extension SegmentError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooShort(let expected, let actual):
            "the segment has \(actual) bytes where at least \(expected) are needed"
        case .tooLong(let expected, let actual):
            "the segment has \(actual) bytes where its header announces \(expected)"
        case .wrongMagic(let magic):
            "the bytes begin with \(String(magic, radix: 16)), which is not a segment's magic"
        case .unknownVersion(let version):
            "the segment has format version \(version); this program knows version 1"
        case .badField(let field):
            "the segment's \(field.rawValue) contradicts the rest of its header"
        case .badRecord(let index, let field):
            "record \(index) of the segment has an impossible \(field.rawValue)"
        case .wrongChecksum(let expected, let actual):
            """
            the segment's checksum is \(String(actual, radix: 16)) but its bytes give \
            \(String(expected, radix: 16))
            """
        }
    }
}
