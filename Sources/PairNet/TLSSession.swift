import COpenSSL
import NIOCore

/// Which side of a TLS connection this node is.
package enum TLSRole: Hashable, Sendable {
    case client
    case server
}

/// One TLS connection as OpenSSL sees it: encrypted bytes in and out of two buffers, no socket.
///
/// Records go straight between OpenSSL and NIO's buffers through a BIO of our own, which saves the
/// copy that OpenSSL's memory BIOs would make. Lives on one event loop.
final class TLSSession {
    enum Step: Hashable {
        case done
        case needsInput
        /// The other side said goodbye.
        case closed
        case failed(OpenSSLReason)
    }

    private let session: OpaquePointer
    // Keeps the SSL_CTX and the keys alive.
    private let context: TLSContext
    private let approve: @Sendable (KeyPin) -> KeyRefusal?
    /// Encrypted, not yet taken by OpenSSL.
    private var inbound = ByteBuffer()
    /// Encrypted, not yet handed to the socket.
    private(set) var outbound = ByteBuffer()
    private(set) var peerPin: KeyPin?
    private(set) var refusal: KeyRefusal?

    /// - Parameter approve: Asked once, during the handshake, whether the other side's key is
    ///   welcome; `nil` is a yes.
    init(
        context: TLSContext,
        role: TLSRole,
        approve: @escaping @Sendable (KeyPin) -> KeyRefusal?
    ) throws(CryptographyError) {
        guard let session = SSL_new(context.pointer) else { throw .failed("SSL_new") }
        self.session = session
        self.context = context
        self.approve = approve
        guard let method = Self.bufferMethod, let bio = BIO_new(method) else {
            throw .failed("BIO_new")
        }
        let this = Unmanaged.passUnretained(self).toOpaque()
        BIO_set_data(bio, this)
        // The session owns the one reference for both directions.
        SSL_set_bio(session, bio, bio)
        guard pair_ssl_set_app_data(session, this) == 1 else { throw .failed("SSL_set_ex_data") }
        switch role {
        case .client: SSL_set_connect_state(session)
        case .server: SSL_set_accept_state(session)
        }
    }

    deinit { SSL_free(self.session) }

    // MARK: Encrypted bytes

    /// Takes what the socket delivered.
    func receive(_ bytes: ByteBuffer) {
        if self.inbound.readableBytes == 0 {
            self.inbound = bytes
        } else {
            var bytes = bytes
            self.inbound.discardReadBytes()
            self.inbound.writeBuffer(&bytes)
        }
    }

    /// Hands over what has to go to the socket; empty when there is nothing.
    func takeOutbound() -> ByteBuffer {
        let bytes = self.outbound
        self.outbound = ByteBuffer()
        return bytes
    }

    // MARK: The connection

    func handshake() -> Step {
        ERR_clear_error()
        return self.step(SSL_do_handshake(self.session))
    }

    var hasAgreedOnProtocol: Bool {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(self.session, &name, &count)
        return UnsafeBufferPointer(start: name, count: Int(count))
            .elementsEqual(TLSContext.applicationProtocol.dropFirst())
    }

    /// What only the two ends of this one connection know (RFC 9266).
    func channelBinding() throws(CryptographyError) -> SecretBytes {
        let label = "EXPORTER-Channel-Binding"
        return try SecretBytes(byteCount: 32) { memory throws(CryptographyError) in
            let output = memory.bindMemory(to: UInt8.self).baseAddress
            guard
                SSL_export_keying_material(
                    self.session,
                    output,
                    memory.count,
                    label,
                    label.utf8.count,
                    nil,
                    0,
                    0
                ) == 1
            else { throw .failed("SSL_export_keying_material") }
            return memory.count
        }
    }

    /// Decrypts all there is into `plaintext`.
    func read(into plaintext: inout ByteBuffer) -> Step {
        // What comes out is never longer than what went in.
        plaintext.reserveCapacity(minimumWritableBytes: self.inbound.readableBytes + 16_384)
        while true {
            ERR_clear_error()
            var step = Step.done
            plaintext.writeWithUnsafeMutableBytes(minimumWritableBytes: 16_384) { memory in
                let room = Int32(clamping: memory.count)
                let count = SSL_read(self.session, memory.baseAddress, room)
                guard count <= 0 else { return Int(count) }
                step = self.step(count)
                return 0
            }
            guard step == .done else { return step }
        }
    }

    /// Encrypts `bytes`; OpenSSL cuts them into records of 16 KiB.
    func write(_ bytes: UnsafeRawBufferPointer) -> Step {
        guard !bytes.isEmpty else { return .done }
        // Header, content type and tag are 22 bytes a record.
        let records = bytes.count / 16_384 + 1
        self.outbound.reserveCapacity(minimumWritableBytes: bytes.count + records * 22)
        ERR_clear_error()
        return self.step(SSL_write(self.session, bytes.baseAddress, Int32(bytes.count)))
    }

    /// Says goodbye; nothing can be written after that.
    func close() {
        ERR_clear_error()
        SSL_shutdown(self.session)
        ERR_clear_error()
    }

    private func step(_ result: Int32) -> Step {
        guard result <= 0 else { return .done }
        switch SSL_get_error(self.session, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .needsInput
        case SSL_ERROR_ZERO_RETURN: return .closed
        default: return .failed(.drain())
        }
    }

    // MARK: Called by OpenSSL

    /// Decides about the other side's certificate; 1 is a yes.
    static func verify(_ store: OpaquePointer?) -> Int32 {
        guard let store,
            let session = X509_STORE_CTX_get_ex_data(
                store,
                SSL_get_ex_data_X509_STORE_CTX_idx()
            ),
            let data = pair_ssl_get_app_data(OpaquePointer(session)),
            let certificate = X509_STORE_CTX_get0_cert(store)
        else { return 0 }
        let this = Unmanaged<TLSSession>.fromOpaque(data).takeUnretainedValue()
        guard let pin = KeyPin(certificate: certificate) else { return 0 }
        this.peerPin = pin
        let isOwn = pin == this.context.identity.keyPin
        if let refusal = isOwn ? .ownKey : this.approve(pin) {
            this.refusal = refusal
            X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED)
            return 0
        }
        return 1
    }

    // Written once, before the first session, and only read by OpenSSL afterwards.
    private nonisolated(unsafe) static let bufferMethod: OpaquePointer? = {
        let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "paird buffers")
        BIO_meth_set_create(method) { bio in
            BIO_set_init(bio, 1)
            return 1
        }
        BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
        BIO_meth_set_write(method) { bio, bytes, count in
            guard let bytes, count > 0, let data = BIO_get_data(bio) else { return 0 }
            let this = Unmanaged<TLSSession>.fromOpaque(data).takeUnretainedValue()
            this.outbound.writeBytes(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
            return count
        }
        BIO_meth_set_read(method) { bio, bytes, count in
            guard let bio, let bytes, count > 0, let data = BIO_get_data(bio) else { return 0 }
            let this = Unmanaged<TLSSession>.fromOpaque(data).takeUnretainedValue()
            return this.deliver(to: bytes, limit: Int(count), retrying: bio)
        }
        return method
    }()

    private func deliver(
        to bytes: UnsafeMutablePointer<CChar>,
        limit: Int,
        retrying bio: OpaquePointer
    ) -> Int32 {
        pair_bio_clear_retry_flags(bio)
        let count = min(limit, self.inbound.readableBytes)
        guard count > 0 else {
            pair_bio_set_retry_read(bio)
            return -1
        }
        self.inbound.readWithUnsafeReadableBytes { readable in
            UnsafeMutableRawPointer(bytes).copyMemory(
                from: readable.baseAddress ?? UnsafeRawPointer(bytes),
                byteCount: count
            )
            return count
        }
        return Int32(count)
    }
}
