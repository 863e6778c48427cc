package import PairCore
package import PairWire

/// What this node brings into a pairing.
package struct PairingParty: Sendable {
    package var identity: Identity
    package var node: NodeID
    package var incarnation: UInt64
    package var name: String
    package var model: String
    /// `nil` where there is no vault yet.
    package var pageSize: PageSize?
    package var engineVersion: String
    /// Where this node listens for its peer.
    package var port: UInt16
    package var versions = ProtocolRange.supported

    package init(
        identity: Identity,
        node: NodeID,
        incarnation: UInt64,
        name: String,
        model: String,
        pageSize: PageSize?,
        engineVersion: String,
        port: UInt16
    ) {
        self.identity = identity
        self.node = node
        self.incarnation = incarnation
        self.name = name
        self.model = model
        self.pageSize = pageSize
        self.engineVersion = engineVersion
        self.port = port
    }

    var description: PairingDescription {
        PairingDescription(
            name: self.name,
            model: self.model,
            pageSize: self.pageSize,
            engineVersion: self.engineVersion,
            port: self.port
        )
    }
}

/// What a node knows of its peer, and of itself in the pair, when a pairing has succeeded.
package struct PairingResult: Hashable, Sendable {
    package let pair: PairID
    /// Which of the two this node is: the inviter is 0, the joiner 1.
    package let ownBit: NodeBit
    package let node: NodeID
    package let name: String
    package let model: String
    package let pageSize: PageSize?
    package let engineVersion: String
    package let keyPin: KeyPin
    package let signingKey: SigningKey
    package let address: PeerAddress
    /// The newest version that both speak; the pair never goes below it.
    package let version: UInt16
    /// The same on both nodes.
    package let fingerprint: Fingerprint
}

/// What both proofs of a pairing cover, as one side has seen it.
struct PairingTranscript {
    struct Side {
        let node: NodeID
        let pin: KeyPin
        let signingKey: SigningKey
        let nonce: [UInt8]
    }

    enum Role: String {
        case joiner
        case inviter
    }

    let joiner: Side
    let inviter: Side
    let pair: PairID
    let channelBinding: SecretBytes

    /// The MAC by which `role` proves that it knows `code` and sees this very transcript.
    func proof(of role: Role, code: SecretBytes) throws(CryptographyError) -> [UInt8] {
        let key = try KeyDerivation.derive(
            from: code,
            salt: Array("paird-pair-v1".utf8) + self.joiner.nonce + self.inviter.nonce,
            info: Array("paird-pair-v1 proof".utf8)
        )
        // Role names of different lengths come first, padded: everything after has a fixed width.
        var message = Array(role.rawValue.utf8)
        message += [UInt8](repeating: 0, count: 16 - message.count)
        message += self.publicParts.bytes
        message += self.channelBinding.withUnsafeBytes { Array($0) }
        return try MessageCode.make(key: key, message: message)
    }

    /// What the operators compare; depends on nothing that is secret.
    func fingerprint() -> Fingerprint { Fingerprint(of: self.publicParts) }

    private var publicParts: PairingPublicParts {
        PairingPublicParts(
            joiner: .init(
                node: self.joiner.node,
                pin: self.joiner.pin,
                signingKey: self.joiner.signingKey
            ),
            inviter: .init(
                node: self.inviter.node,
                pin: self.inviter.pin,
                signingKey: self.inviter.signingKey
            ),
            pair: self.pair
        )
    }
}

extension KeyPin {
    /// For the operator's eyes: what `pair invite` shows of this node's own key.
    package var fingerprint: Fingerprint { Fingerprint(ofDigest: self.bytes) }
}
