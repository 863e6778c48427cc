import COpenSSL
import Glibc

/// Why this node's keys cannot be used.
package enum IdentityError: Error, Hashable, Sendable {
    case missing(path: String)
    case looseMode(path: String, mode: UInt32, allowed: UInt32)
    case foreignOwner(path: String, owner: UInt32, expected: UInt32)
    case notAFolder(path: String)
    case notAFile(path: String)
    case unreadable(path: String, reason: OpenSSLReason)
    case failed(call: String, path: String, errno: Int32)
    case cryptography(CryptographyError)
}

extension IdentityError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .missing(let path):
            "\(path) is missing; restore it from a backup, or remove the pair and pair again"
        case .looseMode(let path, let mode, let allowed):
            "\(path) has mode 0\(String(mode, radix: 8)), so others may use the keys; run: "
                + "chmod 0\(String(allowed, radix: 8)) \(Self.quoted(path))"
        case .foreignOwner(let path, let owner, let expected):
            "\(path) belongs to uid \(owner); run: chown \(expected) \(Self.quoted(path))"
        case .notAFolder(let path): "\(path) is not a folder; move it away"
        case .notAFile(let path): "\(path) is not a regular file; move it away"
        case .unreadable(let path, let reason):
            "\(path) cannot be read as a key: \(reason); restore it from a backup, or remove the "
                + "pair, move the file away and pair again"
        case .failed(let call, let path, let code):
            "\(call) of \(path): \(String(cString: strerror(code)))"
        case .cryptography(let error): "\(error)"
        }
    }

    private static func quoted(_ path: String) -> String {
        path.allSatisfy { $0.isLetter || $0.isNumber || "/._-+".contains($0) }
            ? path
            : "'"
                + path.split(separator: "'", omittingEmptySubsequences: false)
                .joined(separator: "'\\''") + "'"
    }
}

/// Who this node is: a TLS key with its certificate, and another key that signs heartbeats.
///
/// Both are made at the node's first start and never change while it is paired. The peer knows the
/// hash of the first (``keyPin``) and the whole public second (``signingKey``); somebody who steals
/// only the TLS key cannot sign a heartbeat.
package final class Identity: Sendable {
    let tlsKey: PrivateKey
    let certificate: Certificate
    private let heartbeatKey: PrivateKey

    /// What the peer pins.
    package let keyPin: KeyPin
    /// What the peer checks heartbeats with.
    package let signingKey: SigningKey

    private init(
        tlsKey: PrivateKey,
        certificate: Certificate,
        heartbeatKey: PrivateKey
    ) throws(CryptographyError) {
        guard let pin = KeyPin(certificate: certificate.pointer) else {
            throw .failed("i2d_X509_PUBKEY")
        }
        guard let signingKey = SigningKey(try heartbeatKey.publicBytes()) else {
            throw .failed("EVP_PKEY_get_raw_public_key")
        }
        self.tlsKey = tlsKey
        self.certificate = certificate
        self.heartbeatKey = heartbeatKey
        self.keyPin = pin
        self.signingKey = signingKey
    }

    /// New keys that are nowhere but in memory.
    package static func ephemeral() throws(CryptographyError) -> Identity {
        let tlsKey = try PrivateKey.generate()
        return try Identity(
            tlsKey: tlsKey,
            certificate: try Certificate(selfSigning: tlsKey),
            heartbeatKey: try PrivateKey.generate()
        )
    }

    /// Reads the keys under `folder`, and makes the missing ones if that is allowed.
    ///
    /// Allow it only on a node that is not paired: a paired node with a new key would be a stranger
    /// to its peer, and must say so instead. The certificate may always be made anew, because
    /// nobody trusts anything in it but the key.
    package static func load(
        from folder: String,
        creatingMissingKeys: Bool
    ) throws(IdentityError) -> Identity {
        let folder = KeyFolder(path: folder)
        try folder.prepare(creating: creatingMissingKeys)
        let heartbeatKey = try Self.key(
            "signing.key",
            in: folder,
            creating: creatingMissingKeys
        )
        let tlsKey = try Self.key("tls.key", in: folder, creating: creatingMissingKeys)
        let certificate = try Self.certificate("tls.crt", of: tlsKey, in: folder)
        do throws(CryptographyError) {
            return try Identity(
                tlsKey: tlsKey,
                certificate: certificate,
                heartbeatKey: heartbeatKey
            )
        } catch { throw .cryptography(error) }
    }

    /// Signs with the key that is not the TLS key; 64 bytes.
    package func sign(_ message: [UInt8]) throws(CryptographyError) -> [UInt8] {
        try self.heartbeatKey.sign(message)
    }

    private static func key(
        _ name: String,
        in folder: KeyFolder,
        creating: Bool
    ) throws(IdentityError) -> PrivateKey {
        if let pem = try folder.read(name) {
            do throws(CryptographyError) {
                return try PrivateKey(pem: pem)
            } catch {
                throw .unreadable(path: folder.path(of: name), reason: error.reason)
            }
        }
        guard creating else { throw .missing(path: folder.path(of: name)) }
        let key: PrivateKey
        let pem: SecretBytes
        do throws(CryptographyError) {
            key = try PrivateKey.generate()
            pem = try key.pem()
        } catch { throw .cryptography(error) }
        try folder.write(pem, to: name)
        return key
    }

    private static func certificate(
        _ name: String,
        of key: PrivateKey,
        in folder: KeyFolder
    ) throws(IdentityError) -> Certificate {
        if let pem = try folder.read(name) {
            let bytes = pem.withUnsafeBytes { Array($0) }
            do throws(CryptographyError) {
                let certificate = try Certificate(pem: bytes)
                if certificate.belongs(to: key) { return certificate }
            } catch {
                // A damaged certificate is replaced below: all it has to hold is the key.
            }
        }
        let certificate: Certificate
        let pem: [UInt8]
        do throws(CryptographyError) {
            certificate = try Certificate(selfSigning: key)
            pem = try certificate.pem()
        } catch { throw .cryptography(error) }
        try folder.write(SecretBytes(copying: pem), to: name)
        return certificate
    }
}
