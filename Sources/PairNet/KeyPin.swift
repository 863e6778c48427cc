import COpenSSL
import PairCore

/// SHA-256 of a TLS public key (its SubjectPublicKeyInfo): who a node is, whatever its certificate
/// says.
package struct KeyPin: Hashable, Sendable, CustomStringConvertible {
    package let bytes: [UInt8]

    package static let byteCount = 32

    /// `nil` unless there are 32 bytes.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    /// Of the key in `certificate`; `nil` when it has none that OpenSSL can read.
    init?(certificate: OpaquePointer) {
        guard let key = X509_get_X509_PUBKEY(certificate) else { return nil }
        var encoded: UnsafeMutablePointer<UInt8>?
        let count = i2d_X509_PUBKEY(key, &encoded)
        guard count > 0, let encoded else { return nil }
        defer { CRYPTO_free(encoded, #fileID, #line) }
        self.bytes = SHA256Digest.of(
            Array(UnsafeBufferPointer(start: encoded, count: Int(count)))
        )
    }

    /// 64 hexadecimal digits.
    package var description: String { Hex.string(self.bytes) }
}
