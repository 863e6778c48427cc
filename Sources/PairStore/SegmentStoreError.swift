package import PairCore
package import PairWAL

/// Why the log could not be read or extended.
package enum SegmentStoreError: Error, Hashable, Sendable {
    /// A call of the system failed; `code` is its errno.
    case system(call: String, path: String, code: Int32)
    /// Bytes of a file that is not the newest one are not what was written.
    case damaged(path: String, byteOffset: Int)
    case badSegment(SegmentError)
    /// The segment does not continue the log where it ends.
    case notContiguous(newest: Position, segment: TXID, digestBefore: VaultDigest)
    /// A part of a transaction whose earlier parts are not in the log.
    case partOutOfOrder(expected: UInt32, actual: UInt32)
    /// The log does not reach back to this transaction, or has no boundary there.
    case notKept(after: TXID)
}

extension SegmentStoreError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .system(let call, let path, let code):
            "\(call) of \(path): \(SystemText.of(code))"
        case .damaged(let path, let byteOffset):
            """
            \(path) is damaged at byte \(byteOffset); remove the log's folder and start paird again: \
            the peer then compares the vaults page by page
            """
        case .badSegment(let error):
            "\(error)"
        case .notContiguous(let newest, let segment, _):
            "transaction \(segment) does not continue the log, which ends at \(newest)"
        case .partOutOfOrder(let expected, let actual):
            "part \(actual) of a transaction came where part \(expected) was due"
        case .notKept(let after):
            "the log does not hold what follows transaction \(after)"
        }
    }
}
