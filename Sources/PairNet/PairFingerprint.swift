package import PairCore
package import PairWire

/// What of a pairing is no secret: who the two nodes are, and which pair they make.
///
/// The proofs of a pairing cover these bytes, and the fingerprint is their digest, so their order is
/// part of the protocol and written here only.
struct PairingPublicParts {
    struct Side {
        let node: NodeID
        let pin: KeyPin
        let signingKey: SigningKey
    }

    let joiner: Side
    let inviter: Side
    let pair: PairID

    /// The joiner's before the inviter's, everything of a fixed width.
    var bytes: [UInt8] {
        var writer = ByteWriter()
        writer.bytes(self.joiner.pin.bytes)
        writer.bytes(self.inviter.pin.bytes)
        writer.bytes(self.joiner.signingKey.bytes)
        writer.bytes(self.inviter.signingKey.bytes)
        writer.identifier(self.joiner.node)
        writer.identifier(self.inviter.node)
        writer.identifier(self.pair)
        return writer.bytes
    }
}

extension Fingerprint {
    /// What the operators compare; depends on nothing that is secret.
    init(of parts: PairingPublicParts) {
        self.init(ofDigest: SHA256Digest.of(Array("paird-fingerprint-v1".utf8) + parts.bytes))
    }

    /// What both operators saw when the pair was made; computed anew from what was kept of it.
    ///
    /// - Returns: `nil` when the record's keys are not keys.
    package static func ofPair(_ peer: NodeRecord.Peer, own: Identity, node: NodeID) -> Fingerprint?
    {
        guard let pin = KeyPin(peer.keyPin), let signingKey = SigningKey(peer.signingKey) else {
            return nil
        }
        let mine = PairingPublicParts.Side(
            node: node,
            pin: own.keyPin,
            signingKey: own.signingKey
        )
        let theirs = PairingPublicParts.Side(node: peer.node, pin: pin, signingKey: signingKey)
        let (inviter, joiner) = peer.bit == .zero ? (mine, theirs) : (theirs, mine)
        return Fingerprint(
            of: PairingPublicParts(joiner: joiner, inviter: inviter, pair: peer.pair)
        )
    }
}
