import COpenSSL

/// How this node speaks TLS, to whomever: version 1.3 only, its own certificate, and a key of the
/// other side that somebody has to approve.
///
/// `@unchecked`: an `SSL_CTX` that nobody configures any more may make sessions on any thread, and
/// nothing here configures it after `init`.
package final class TLSContext: @unchecked Sendable {
    let pointer: OpaquePointer
    package let identity: Identity

    /// The application protocol, as ALPN spells it: a length and the name.
    static let applicationProtocol: [UInt8] = [7] + Array("paird/1".utf8)

    private static let suites =
        "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"

    package init(identity: Identity) throws(CryptographyError) {
        guard let context = SSL_CTX_new(TLS_method()) else { throw .failed("SSL_CTX_new") }
        self.pointer = context
        self.identity = identity
        guard pair_ssl_ctx_set_tls13_only(context) == 1,
            SSL_CTX_set_ciphersuites(context, Self.suites) == 1,
            pair_ssl_ctx_set_groups(context, "X25519:P-256") == 1,
            // Our keys are Ed25519; whoever has another kind cannot be the peer.
            pair_ssl_ctx_set_signature_algorithms(context, "ed25519") == 1
        else { throw .failed("SSL_CTX_set_ciphersuites") }
        guard SSL_CTX_use_certificate(context, identity.certificate.pointer) == 1,
            SSL_CTX_use_PrivateKey(context, identity.tlsKey.pointer) == 1
        else { throw .failed("SSL_CTX_use_PrivateKey") }

        // Every connection proves both keys anew: nothing outlives a change of the pin.
        SSL_CTX_set_options(context, pair_ssl_op_no_ticket())
        SSL_CTX_set_num_tickets(context, 0)
        pair_ssl_ctx_disable_session_cache(context)
        SSL_CTX_set_max_early_data(context, 0)

        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
        // In place of OpenSSL's own check of chains, names and dates.
        SSL_CTX_set_cert_verify_callback(context, { store, _ in TLSSession.verify(store) }, nil)

        // This one of OpenSSL's calls answers 0 when it succeeds.
        let alpn = Self.applicationProtocol
        guard SSL_CTX_set_alpn_protos(context, alpn, UInt32(alpn.count)) == 0 else {
            throw .failed("SSL_CTX_set_alpn_protos")
        }
        SSL_CTX_set_alpn_select_cb(
            context,
            { _, selected, selectedCount, offered, offeredCount, _ in
                TLSContext.select(
                    offered: UnsafeBufferPointer(start: offered, count: Int(offeredCount)),
                    selected: selected,
                    selectedCount: selectedCount
                )
            },
            nil
        )
    }

    deinit { SSL_CTX_free(self.pointer) }

    /// Points `selected` at our protocol within `offered`.
    private static func select(
        offered: UnsafeBufferPointer<UInt8>,
        selected: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
        selectedCount: UnsafeMutablePointer<UInt8>?
    ) -> Int32 {
        let wanted = Self.applicationProtocol.dropFirst()
        var rest = offered[...]
        while let count = rest.first, rest.count > Int(count) {
            let name = rest.dropFirst().prefix(Int(count))
            if name.elementsEqual(wanted) {
                selected?.pointee = offered.baseAddress?.advanced(by: name.startIndex)
                selectedCount?.pointee = count
                return SSL_TLSEXT_ERR_OK
            }
            rest = rest.dropFirst(1 + Int(count))
        }
        return SSL_TLSEXT_ERR_ALERT_FATAL
    }
}
