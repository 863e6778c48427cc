import COpenSSL

/// The self-signed wrapping that TLS wants around a public key.
///
/// Nothing in it is ever checked but the key: no issuer, no names, no dates. It is valid for ever,
/// because a certificate that expires is an outage that somebody planned years ago.
///
/// `@unchecked`: never changed after `init`, and OpenSSL's own caching inside is locked.
final class Certificate: @unchecked Sendable {
    let pointer: OpaquePointer

    private init(taking pointer: OpaquePointer) { self.pointer = pointer }

    deinit { X509_free(self.pointer) }

    convenience init(selfSigning key: PrivateKey) throws(CryptographyError) {
        guard let certificate = X509_new() else { throw .failed("X509_new") }
        self.init(taking: certificate)
        let serial = try RandomBytes.make(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) } >> 1
        // RFC 5280, section 4.1.2.5: 99991231235959Z stands for "no well-defined expiration".
        guard X509_set_version(certificate, 2) == 1,
            ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial) == 1,
            ASN1_TIME_set_string(X509_getm_notBefore(certificate), "20000101000000Z") == 1,
            ASN1_TIME_set_string(X509_getm_notAfter(certificate), "99991231235959Z") == 1,
            let name = X509_get_subject_name(certificate),
            X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, "paird", -1, -1, 0) == 1,
            X509_set_issuer_name(certificate, name) == 1,
            X509_set_pubkey(certificate, key.pointer) == 1,
            X509_sign(certificate, key.pointer, nil) > 0
        else { throw .failed("X509_sign") }
    }

    convenience init(pem: [UInt8]) throws(CryptographyError) {
        let certificate = pem.withUnsafeBytes { bytes -> OpaquePointer? in
            guard let source = BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count)) else {
                return nil
            }
            defer { BIO_free(source) }
            return PEM_read_bio_X509(source, nil, nil, nil)
        }
        guard let certificate else { throw .failed("PEM_read_bio_X509") }
        self.init(taking: certificate)
    }

    func pem() throws(CryptographyError) -> [UInt8] {
        guard let sink = BIO_new(BIO_s_mem()) else { throw .failed("BIO_new") }
        defer { BIO_free(sink) }
        guard PEM_write_bio_X509(sink, self.pointer) == 1 else {
            throw .failed("PEM_write_bio_X509")
        }
        var data: UnsafePointer<CChar>?
        let count = pair_bio_mem_data(sink, &data)
        return Array(UnsafeRawBufferPointer(start: data, count: count))
    }

    func belongs(to key: PrivateKey) -> Bool {
        let matches = X509_check_private_key(self.pointer, key.pointer) == 1
        ERR_clear_error()
        return matches
    }
}
