package import PairCore
package import PairWire

extension Fingerprint {
    /// What both operators saw when the pair was made; computed anew from what was kept of it.
    ///
    /// - Returns: `nil` when the record's keys are not keys.
    package static func ofPair(_ peer: NodeRecord.Peer, own: Identity, node: NodeID) -> Fingerprint?
    {
        guard let pin = KeyPin(peer.keyPin), let signingKey = SigningKey(peer.signingKey) else {
            return nil
        }
        let mine = (pin: own.keyPin.bytes, signing: own.signingKey.bytes, node: node)
        let theirs = (pin: pin.bytes, signing: signingKey.bytes, node: peer.node)
        let (inviter, joiner) = peer.bit == .zero ? (mine, theirs) : (theirs, mine)
        var writer = ByteWriter()
        writer.bytes(joiner.pin)
        writer.bytes(inviter.pin)
        writer.bytes(joiner.signing)
        writer.bytes(inviter.signing)
        writer.identifier(joiner.node)
        writer.identifier(inviter.node)
        writer.identifier(peer.pair)
        return Fingerprint(
            ofDigest: SHA256Digest.of(Array("paird-fingerprint-v1".utf8) + writer.bytes)
        )
    }
}
