package import PairCore

/// What a connection is for; its first message says so.
package enum ConnectionPurpose: UInt8, Hashable, Sendable, CaseIterable, CustomStringConvertible {
    /// Agreements between the nodes: everything but the log and proofs of life.
    case control = 1
    /// Segments, pages of a seed, and their acknowledgements: the bulk.
    case log = 2
    /// Strangers who have a code become a pair; the only purpose open to a key that is not pinned.
    case pair = 3
    /// Proofs of life, which must never wait behind bulk.
    case heartbeat = 4

    /// The connections that a pair keeps open.
    package static let lasting: [ConnectionPurpose] = [.heartbeat, .control, .log]

    /// The most bytes of payload that one envelope may carry.
    package var payloadLimit: Int {
        switch self {
        case .control: 65_536
        case .log: Envelope.payloadLimit
        case .pair: 4096
        case .heartbeat: 1024
        }
    }

    package var description: String {
        switch self {
        case .control: "control"
        case .log: "log"
        case .pair: "pair"
        case .heartbeat: "heartbeat"
        }
    }
}

/// The versions of the protocol that a node speaks, both ends included.
package struct ProtocolRange: Hashable, Sendable, CustomStringConvertible {
    package let minimum: UInt16
    package let maximum: UInt16

    /// `nil` when there is no version in the range.
    package init?(minimum: UInt16, maximum: UInt16) {
        guard minimum >= 1, minimum <= maximum else { return nil }
        self.minimum = minimum
        self.maximum = maximum
    }

    private init(only version: UInt16) {
        self.minimum = version
        self.maximum = version
    }

    /// What this program speaks.
    package static let supported = ProtocolRange(only: 1)

    /// This range without the versions below `floor`; `nil` when nothing is left.
    package func raised(to floor: UInt16) -> ProtocolRange? {
        ProtocolRange(minimum: max(self.minimum, floor), maximum: self.maximum)
    }

    /// The newest version that both speak.
    package func newestCommon(with other: ProtocolRange) -> UInt16? {
        let newest = min(self.maximum, other.maximum)
        return newest >= max(self.minimum, other.minimum) ? newest : nil
    }

    package var description: String {
        self.minimum == self.maximum ? "\(self.minimum)" : "\(self.minimum) to \(self.maximum)"
    }
}

/// The first message of either side on every connection: who speaks, and what for.
///
/// The side that dialled speaks first; the other answers with its own opening, or with an
/// ``OpeningRefusal`` and closes. Nothing else is said before that. The identities in it are claims:
/// what they are worth is decided by the key that the TLS connection has proved.
package struct Opening: Hashable, Sendable {
    package let versions: ProtocolRange
    package let purpose: ConnectionPurpose
    package let node: NodeID
    /// The pair both belong to; on purpose `pair` the joiner, who knows none yet, sends zeros.
    package let pair: PairID
    /// Counts the starts of the sender's daemon.
    package let incarnation: UInt64
    /// 32 fresh random bytes: the first nonce that the receiver's heartbeats have to echo.
    package let nonce: [UInt8]

    package static let envelopeType: UInt8 = 1
    package static let nonceByteCount = 32

    package init(
        versions: ProtocolRange,
        purpose: ConnectionPurpose,
        node: NodeID,
        pair: PairID,
        incarnation: UInt64,
        nonce: [UInt8]
    ) {
        self.versions = versions
        self.purpose = purpose
        self.node = node
        self.pair = pair
        self.incarnation = incarnation
        self.nonce = nonce
    }

    package func encoded() -> [UInt8] {
        var writer = ByteWriter(reserving: 80)
        writer.u16(self.versions.minimum)
        writer.u16(self.versions.maximum)
        writer.u8(self.purpose.rawValue)
        writer.identifier(self.node)
        writer.identifier(self.pair)
        writer.u64(self.incarnation)
        writer.bytes(self.nonce)
        return writer.bytes
    }

    package init(decoding payload: [UInt8]) throws(ByteError) {
        var reader = ByteReader(payload)
        let minimum = try reader.u16("minimum version")
        let maximum = try reader.u16("maximum version")
        guard let versions = ProtocolRange(minimum: minimum, maximum: maximum) else {
            throw .outOfRange(field: "maximum version", value: UInt64(maximum))
        }
        let purposeValue = try reader.u8("purpose")
        guard let purpose = ConnectionPurpose(rawValue: purposeValue) else {
            throw .outOfRange(field: "purpose", value: UInt64(purposeValue))
        }
        self.versions = versions
        self.purpose = purpose
        self.node = try reader.identifier(NodeID.self, "node id")
        self.pair = try reader.identifier(PairID.self, "pair id")
        self.incarnation = try reader.u64("incarnation")
        self.nonce = Array(try reader.bytes(Self.nonceByteCount, "session nonce"))
        // A later version may say more at the end; its receiver of version 1 need not know.
    }
}

extension PairID {
    /// Of a node that does not belong to a pair.
    package static let none = PairID(high: 0, low: 0)
}

/// Why an opening was not answered with an opening.
package enum OpeningRefusal: UInt8, Error, Hashable, Sendable, CustomStringConvertible {
    case noCommonVersion = 1
    /// The key is not the one that this node is paired with.
    case notThePeer = 2
    case otherPair = 3
    case ownNode = 4
    /// Another connection for this purpose is up and stays.
    case duplicate = 5
    case noInvitation = 6
    case malformed = 7

    package static let envelopeType: UInt8 = 2

    package func encoded() -> [UInt8] { [self.rawValue] }

    package init(decoding payload: [UInt8]) throws(ByteError) {
        var reader = ByteReader(payload)
        let value = try reader.u8("refusal")
        try reader.finish()
        guard let refusal = OpeningRefusal(rawValue: value) else {
            throw .outOfRange(field: "refusal", value: UInt64(value))
        }
        self = refusal
    }

    package var description: String {
        switch self {
        case .noCommonVersion: "the two nodes have no protocol version in common; update one"
        case .notThePeer: "this node is not the one the other is paired with; pair them again"
        case .otherPair: "the two nodes belong to different pairs; pair them again"
        case .ownNode: "a node reached itself; check peer.addresses"
        case .duplicate: "another connection for the same purpose is up"
        case .noInvitation: "no invitation is open there; run there: pairctl pair invite"
        case .malformed: "the first message could not be read"
        }
    }
}
