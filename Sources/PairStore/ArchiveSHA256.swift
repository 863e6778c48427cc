import COpenSSL

/// SHA-256 of bytes that come in pieces; for one thread.
final class ArchiveSHA256 {
    private let context: OpaquePointer

    init() {
        // Both fail only without memory or without SHA-256 in the platform's OpenSSL.
        guard let context = EVP_MD_CTX_new(),
            EVP_DigestInit_ex2(context, EVP_sha256(), nil) == 1
        else { fatalError("OpenSSL has no SHA-256") }
        self.context = context
    }

    deinit { EVP_MD_CTX_free(self.context) }

    func update(_ bytes: some Collection<UInt8>) {
        let isDone =
            bytes.withContiguousStorageIfAvailable {
                EVP_DigestUpdate(self.context, $0.baseAddress, $0.count) == 1
            }
            ?? Array(bytes).withUnsafeBufferPointer {
                EVP_DigestUpdate(self.context, $0.baseAddress, $0.count) == 1
            }
        precondition(isDone, "SHA-256 failed")
    }

    /// The 32 bytes; nothing can be added any more.
    func finish() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 32)
        precondition(
            EVP_DigestFinal_ex(self.context, &bytes, nil) == 1,
            "SHA-256 failed"
        )
        return bytes
    }
}
