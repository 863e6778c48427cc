/// Why a key that was proved is not welcome.
package enum KeyRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// The other side has this node's own key: its reflection, or a clone.
    case ownKey
    /// The other side has a key that this node is not paired with.
    case notPinned(KeyPin)
    /// This node has no peer and no open invitation: nobody is welcome.
    case unpaired

    package var description: String {
        switch self {
        case .ownKey:
            "the other side has this node's own key: a loop in peer.addresses, or a clone"
        case .notPinned(let pin):
            "the key \(pin) is not the one this node is paired with; if the peer was replaced, "
                + "remove the pair on both nodes and pair again"
        case .unpaired: "this node is not paired and no invitation is open"
        }
    }
}

/// Why a TLS connection did not come about, or ended.
package enum TLSError: Error, Hashable, Sendable {
    case refusedKey(KeyRefusal)
    /// The other side does not accept this node's key.
    case keyRefusedThere
    case handshakeFailed(OpenSSLReason)
    case handshakeTimedOut
    case closedDuringHandshake
    /// The other side does not speak `paird/1`.
    case wrongApplicationProtocol
    /// A record could not be opened, or the other side sent an alert.
    case recordFailed(OpenSSLReason)
    /// The connection ended without the other side's leave: what came last may be missing.
    case truncated
    /// Something was written before the handshake was over, or after the end.
    case notEstablished
}

extension TLSError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .refusedKey(let refusal): "\(refusal)"
        case .keyRefusedThere:
            "the other node does not know this node's key; if one of the two was replaced, remove "
                + "the pair on both nodes and pair again"
        case .handshakeFailed(let reason): "TLS handshake: \(reason)"
        case .handshakeTimedOut: "TLS handshake: no end within its time"
        case .closedDuringHandshake: "TLS handshake: the other side closed the connection"
        case .wrongApplicationProtocol: "TLS handshake: the other side does not speak paird/1"
        case .recordFailed(let reason): "TLS: \(reason)"
        case .truncated: "the connection was cut"
        case .notEstablished: "the connection is not established"
        }
    }
}

/// How a TLS handshake ended on this side.
///
/// The dialler's is over before the other side has judged its key: a refusal then comes later, and
/// ends the connection.
package enum HandshakeResult: String, Hashable, Sendable, CaseIterable {
    case done
    /// The key that was proved is not welcome here.
    case keyRefused = "key_refused"
    /// The other side does not accept this node's key.
    case refusedThere = "refused_there"
    case timedOut = "timed_out"
    case failed

    init(_ error: TLSError) {
        self =
            switch error {
            case .refusedKey: .keyRefused
            case .keyRefusedThere: .refusedThere
            case .handshakeTimedOut: .timedOut
            case .handshakeFailed, .closedDuringHandshake, .wrongApplicationProtocol, .recordFailed,
                .truncated, .notEstablished:
                .failed
            }
    }
}
