package import PairCore

// How two nodes that do not trust each other become a pair (purpose `pair`, after the openings):
//
//     joiner                          inviter
//       hello  ──────────────────────────▶       nonce, signing key
//              ◀──────────────────────────  hello
//       proof  ──────────────────────────▶       knows the code, and sees the same two keys
//              ◀──────────────────────────  proof
//       description  ────────────────────▶       name, model, page size, ...
//              ◀────────────────────  description
//       candidateKept  ──────────────────▶       the joiner has the inviter on its disk
//              ◀─────────────────────  memberKept       and the inviter the joiner
//
// Either side may say `refused` instead of its next message, and then closes. A proof covers both TLS
// keys as this side saw them, both signing keys, both node ids, the pair's id and the connection's
// exporter (RFC 9266); somebody in the middle has other keys and another exporter on each side, and
// cannot make a proof without the code. All that comes after the proofs is said on a connection that
// they have authenticated. If the last message is lost, the inviter has the joiner as its peer, and
// the joiner has a candidate: the first connection between them settles it.

/// Why two nodes do not become a pair.
package enum PairingRefusal: Error, Hashable, Sendable {
    /// Or somebody in the middle: the two cannot be told apart.
    case wrongCode(triesLeft: UInt8)
    /// The code has made a pair, or was tried too often.
    case usedUp
    case expired
    case ownKey
    case modelMismatch(inviter: String, joiner: String)
    case pageSizeMismatch(inviter: Int, joiner: Int)
    case alreadyPaired
    /// Another joiner is being served.
    case busy
    /// An operator said no, or the result could not be stored.
    case declined(reason: String)
}

extension PairingRefusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .wrongCode(let triesLeft):
            "wrong code, or possible interception of the connection; "
                + (triesLeft == 0
                    ? "the code is burned; make a new one: pairctl pair invite"
                    : "tries left: \(triesLeft)")
        case .usedUp: "the code was used or burned; make a new one: pairctl pair invite"
        case .expired: "the code has expired; make a new one: pairctl pair invite"
        case .ownKey: "both ends have the same key: a node cannot pair with itself or its clone"
        case .modelMismatch(let inviter, let joiner):
            "the inviter is a \(inviter.debugDescription), the joiner a \(joiner.debugDescription); "
                + "both nodes of a pair must be the same model (node.model)"
        case .pageSizeMismatch(let inviter, let joiner):
            "the inviter's vault has pages of \(inviter) bytes, the joiner's of \(joiner); "
                + "move one of the vaults away"
        case .alreadyPaired: "already paired; to begin anew: pairctl pair remove"
        case .busy: "another node is being paired at this moment; try again"
        case .declined(let reason): "declined: \(reason)"
        }
    }
}

/// What a node tells of itself once the other has proved that it knows the code.
package struct PairingDescription: Hashable, Sendable {
    package let name: String
    package let model: String
    /// `nil` where there is no vault yet.
    package let pageSize: PageSize?
    /// SQLite's version, for the operator.
    package let engineVersion: String
    /// Where the node listens for its peer.
    package let port: UInt16

    package static let textLimit = 255

    package init(
        name: String,
        model: String,
        pageSize: PageSize?,
        engineVersion: String,
        port: UInt16
    ) {
        self.name = name
        self.model = model
        self.pageSize = pageSize
        self.engineVersion = engineVersion
        self.port = port
    }

    /// Why nodes that describe themselves like this cannot be a pair; `nil` when they can.
    package static func mismatch(
        inviter: PairingDescription,
        joiner: PairingDescription
    ) -> PairingRefusal? {
        guard inviter.model == joiner.model else {
            return .modelMismatch(inviter: inviter.model, joiner: joiner.model)
        }
        // A vault that is not there yet will take the pages of the other.
        if let ofInviter = inviter.pageSize, let ofJoiner = joiner.pageSize, ofInviter != ofJoiner {
            return .pageSizeMismatch(
                inviter: ofInviter.byteCount,
                joiner: ofJoiner.byteCount
            )
        }
        return nil
    }
}

/// One step of the pairing of two nodes; see the head of this file.
package enum PairingMessage: Hashable, Sendable {
    case hello(nonce: [UInt8], signingKey: [UInt8])
    case proof([UInt8])
    case description(PairingDescription)
    case candidateKept
    case memberKept
    case refused(PairingRefusal)
}

extension PairingMessage {
    private static let fieldByteCount = 32

    package func envelope() -> Envelope {
        var writer = ByteWriter()
        switch self {
        case .hello(let nonce, let signingKey):
            writer.bytes(nonce)
            writer.bytes(signingKey)
            return Envelope(type: 16, payload: writer.bytes)
        case .proof(let code):
            return Envelope(type: 17, payload: code)
        case .description(let description):
            writer.text(description.name)
            writer.text(description.model)
            writer.u8(description.pageSize?.log2 ?? 0)
            writer.text(description.engineVersion)
            writer.u16(description.port)
            return Envelope(type: 18, payload: writer.bytes)
        case .candidateKept:
            return Envelope(type: 19, payload: [])
        case .memberKept:
            return Envelope(type: 20, payload: [])
        case .refused(let refusal):
            refusal.encode(to: &writer)
            return Envelope(type: 21, payload: writer.bytes)
        }
    }

    package init(decoding envelope: Envelope) throws(ByteError) {
        var reader = ByteReader(envelope.payload)
        switch envelope.type {
        case 16:
            self = .hello(
                nonce: Array(try reader.bytes(Self.fieldByteCount, "nonce")),
                signingKey: Array(try reader.bytes(Self.fieldByteCount, "signing key"))
            )
        case 17:
            self = .proof(Array(try reader.bytes(Self.fieldByteCount, "proof")))
        case 18:
            let name = try reader.text(limit: PairingDescription.textLimit, "name")
            let model = try reader.text(limit: PairingDescription.textLimit, "model")
            let log2 = try reader.u8("page size")
            let pageSize = log2 < 32 ? PageSize(byteCount: 1 << Int(log2)) : nil
            guard log2 == 0 || pageSize != nil else {
                throw .outOfRange(field: "page size", value: UInt64(log2))
            }
            self = .description(
                PairingDescription(
                    name: name,
                    model: model,
                    pageSize: pageSize,
                    engineVersion: try reader.text(
                        limit: PairingDescription.textLimit,
                        "engine version"
                    ),
                    port: try reader.u16("port")
                )
            )
        case 19: self = .candidateKept
        case 20: self = .memberKept
        case 21: self = .refused(try PairingRefusal(from: &reader))
        default: throw .outOfRange(field: "pairing message", value: UInt64(envelope.type))
        }
        try reader.finish()
    }
}

extension PairingRefusal {
    fileprivate func encode(to writer: inout ByteWriter) {
        switch self {
        case .wrongCode(let triesLeft):
            writer.u8(1)
            writer.u8(triesLeft)
        case .usedUp: writer.u8(2)
        case .expired: writer.u8(3)
        case .ownKey: writer.u8(4)
        case .modelMismatch(let inviter, let joiner):
            writer.u8(5)
            writer.text(inviter)
            writer.text(joiner)
        case .pageSizeMismatch(let inviter, let joiner):
            writer.u8(6)
            writer.u32(UInt32(clamping: inviter))
            writer.u32(UInt32(clamping: joiner))
        case .alreadyPaired: writer.u8(7)
        case .busy: writer.u8(8)
        case .declined(let reason):
            writer.u8(9)
            writer.text(String(decoding: reason.utf8.prefix(200), as: UTF8.self))
        }
    }

    fileprivate init(from reader: inout ByteReader) throws(ByteError) {
        let limit = PairingDescription.textLimit
        let kind = try reader.u8("refusal")
        switch kind {
        case 1: self = .wrongCode(triesLeft: try reader.u8("tries left"))
        case 2: self = .usedUp
        case 3: self = .expired
        case 4: self = .ownKey
        case 5:
            self = .modelMismatch(
                inviter: try reader.text(limit: limit, "inviter's model"),
                joiner: try reader.text(limit: limit, "joiner's model")
            )
        case 6:
            self = .pageSizeMismatch(
                inviter: Int(try reader.u32("inviter's page size")),
                joiner: Int(try reader.u32("joiner's page size"))
            )
        case 7: self = .alreadyPaired
        case 8: self = .busy
        case 9: self = .declined(reason: try reader.text(limit: limit, "reason"))
        default: throw .outOfRange(field: "refusal", value: UInt64(kind))
        }
    }
}
