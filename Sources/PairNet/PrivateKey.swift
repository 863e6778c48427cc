import COpenSSL

/// An Ed25519 private key that stays inside OpenSSL.
///
/// `@unchecked`: an `EVP_PKEY` that nobody changes may be used from any thread, each with its own
/// context (OpenSSL, `openssl-threads(7)`), and nothing here changes it after `init`.
final class PrivateKey: @unchecked Sendable {
    let pointer: OpaquePointer

    private init(taking pointer: OpaquePointer) { self.pointer = pointer }

    deinit { EVP_PKEY_free(self.pointer) }

    static func generate() throws(CryptographyError) -> PrivateKey {
        guard let context = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nil) else {
            throw .failed("EVP_PKEY_CTX_new_id")
        }
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        guard EVP_PKEY_keygen_init(context) == 1, EVP_PKEY_keygen(context, &key) == 1, let key
        else { throw .failed("EVP_PKEY_keygen") }
        return PrivateKey(taking: key)
    }

    /// Reads PEM; anything but an Ed25519 key is refused.
    convenience init(pem: SecretBytes) throws(CryptographyError) {
        let key = pem.withUnsafeBytes { bytes -> OpaquePointer? in
            guard let source = BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count)) else {
                return nil
            }
            defer { BIO_free(source) }
            // The callback answers "no password": an encrypted key must not ask on the terminal.
            return PEM_read_bio_PrivateKey(source, nil, { _, _, _, _ in -1 }, nil)
        }
        guard let key else { throw .failed("PEM_read_bio_PrivateKey") }
        self.init(taking: key)
        guard EVP_PKEY_get_id(key) == EVP_PKEY_ED25519 else {
            throw CryptographyError(
                call: "PEM_read_bio_PrivateKey",
                reason: OpenSSLReason(reasons: ["not an Ed25519 key"])
            )
        }
    }

    /// The key in PEM (PKCS #8), unencrypted.
    func pem() throws(CryptographyError) -> SecretBytes {
        // The secure memory BIO wipes its buffer when it is freed.
        guard let sink = BIO_new(BIO_s_secmem()) else { throw .failed("BIO_new") }
        defer { BIO_free(sink) }
        guard PEM_write_bio_PrivateKey(sink, self.pointer, nil, nil, 0, nil, nil) == 1 else {
            throw .failed("PEM_write_bio_PrivateKey")
        }
        var data: UnsafePointer<CChar>?
        let count = pair_bio_mem_data(sink, &data)
        return SecretBytes(byteCount: count) { memory in
            memory.copyMemory(from: UnsafeRawBufferPointer(start: data, count: count))
            return count
        }
    }

    func publicBytes() throws(CryptographyError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: SigningKey.byteCount)
        var count = bytes.count
        guard EVP_PKEY_get_raw_public_key(self.pointer, &bytes, &count) == 1,
            count == SigningKey.byteCount
        else { throw .failed("EVP_PKEY_get_raw_public_key") }
        return bytes
    }

    func sign(_ message: [UInt8]) throws(CryptographyError) -> [UInt8] {
        guard let context = EVP_MD_CTX_new() else { throw .failed("EVP_MD_CTX_new") }
        defer { EVP_MD_CTX_free(context) }
        var signature = [UInt8](repeating: 0, count: SigningKey.signatureByteCount)
        var count = signature.count
        guard EVP_DigestSignInit(context, nil, nil, nil, self.pointer) == 1,
            EVP_DigestSign(context, &signature, &count, message, message.count) == 1,
            count == SigningKey.signatureByteCount
        else { throw .failed("EVP_DigestSign") }
        return signature
    }
}
