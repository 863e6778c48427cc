import COpenSSL
package import PairCore

/// Bytes that nobody can guess.
package enum RandomBytes {
    /// `count` bytes from OpenSSL's generator.
    ///
    /// - Throws: ``CryptographyError`` when the generator has no entropy.
    package static func make(_ count: Int) throws(CryptographyError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        guard RAND_bytes(&bytes, Int32(count)) == 1 else { throw .failed("RAND_bytes") }
        return bytes
    }

    /// An identifier that was never used and never will be.
    package static func identifier<ID: RandomIdentifier>(
        _ type: ID.Type = ID.self
    ) throws(CryptographyError) -> ID {
        let bytes = try self.make(16)
        return ID(
            high: bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) },
            low: bytes[8...].reduce(0) { $0 << 8 | UInt64($1) }
        )
    }
}

/// SHA-256 (FIPS 180-4).
package enum SHA256Digest {
    package static let byteCount = 32

    package static func of(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: self.byteCount)
        SHA256(bytes, bytes.count, &digest)
        return digest
    }
}

/// HMAC-SHA256 (RFC 2104).
package enum MessageCode {
    package static func make(
        key: SecretBytes,
        message: [UInt8]
    ) throws(CryptographyError) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: SHA256Digest.byteCount)
        var length: UInt32 = 0
        let made = key.withUnsafeBytes { key in
            HMAC(
                EVP_sha256(),
                key.baseAddress,
                Int32(key.count),
                message,
                message.count,
                &code,
                &length
            )
        }
        guard made != nil, length == SHA256Digest.byteCount else { throw .failed("HMAC") }
        return code
    }

    /// Compares in a time that does not depend on where the first difference is.
    package static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && CRYPTO_memcmp(left, right, left.count) == 0
    }
}

/// HKDF-SHA256 (RFC 5869), extract and expand.
package enum KeyDerivation {
    /// 32 bytes from `secret`.
    package static func derive(
        from secret: SecretBytes,
        salt: [UInt8],
        info: [UInt8]
    ) throws(CryptographyError) -> SecretBytes {
        guard let context = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nil) else {
            throw .failed("EVP_PKEY_CTX_new_id")
        }
        defer { EVP_PKEY_CTX_free(context) }
        let isReady = secret.withUnsafeBytes { key in
            EVP_PKEY_derive_init(context) == 1
                && EVP_PKEY_CTX_set_hkdf_md(context, EVP_sha256()) == 1
                && EVP_PKEY_CTX_set1_hkdf_salt(context, salt, Int32(salt.count)) == 1
                && EVP_PKEY_CTX_set1_hkdf_key(
                    context,
                    key.bindMemory(to: UInt8.self).baseAddress,
                    Int32(key.count)
                ) == 1
                && EVP_PKEY_CTX_add1_hkdf_info(context, info, Int32(info.count)) == 1
        }
        guard isReady else { throw .failed("EVP_PKEY_CTX_set1_hkdf_key") }
        return try SecretBytes(byteCount: 32) { memory throws(CryptographyError) in
            var length = memory.count
            let output = memory.bindMemory(to: UInt8.self).baseAddress
            guard EVP_PKEY_derive(context, output, &length) == 1 else {
                throw .failed("EVP_PKEY_derive")
            }
            return length
        }
    }
}
