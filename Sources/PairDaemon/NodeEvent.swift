import PairCore
import PairNet
import PairStore
import PairWire

/// Everything that can happen to a node; handled one at a time, in the order of arrival.
enum NodeEvent: Sendable {
    case tick
    case operatorRequest(OperatorCall)
    case linkUp(PeerConnection)
    case linkDown(PeerConnection, reason: String)
    /// The peer does not take this node for its peer any more.
    case linkDistrusted
    /// The configuration was read again.
    case reconfigured
    case heard(ControlMessage)
    /// The signature, the pair and both nodes were right.
    case spoken(PeerMessage)
    case heartbeatRejected(reason: String)
    /// The bytes were no message; nothing of them is used.
    case garbled(reason: String)
    case attached(Result<Vault.Attachment, VaultError>)
    /// Layer 1 is ours, and everything that was committed is captured.
    case gateTaken(token: UInt64, Result<Position?, VaultError>)
    case capture(CaptureEvent)
    /// The secondary has acknowledged something; how much stands in the figures.
    case progressed
    case source(LogEndID, LogSource.Report)
    case sink(LogEndID, LogSink.Report)
    case vaultChecked(Failover.VaultCheck)
    /// The files of the copy are no longer at their path.
    case copyMissed
    case reachProbed(answered: Bool)
    case tailSealed(Result<NodeRecord.Tail, ArchiveError>)
    /// The other side hears nothing before `done` is called.
    case paired(PairingResult, done: @Sendable (PairingRefusal?) -> Void)
    /// The log has been looked at.
    case located(RejoinInquiry, RejoinFinding)
    /// The primary's own side of a verify has been read.
    case scanned(id: UInt64, Result<PageMap, VaultError>)
    case stop
}

extension NodeEvent {
    /// Whether another one says the same, or its sender sees that it was not heard and says it again.
    var isRepeated: Bool {
        switch self {
        case .capture(.stopped): false
        case .heard(.forward), .heard(.forwarded): false
        case .tick, .capture, .heard, .spoken, .heartbeatRejected, .garbled, .progressed,
            .linkDistrusted:
            true
        case .operatorRequest, .linkUp, .linkDown, .reconfigured, .attached, .gateTaken, .source,
            .sink, .vaultChecked, .copyMissed, .reachProbed, .tailSealed, .paired, .located,
            .scanned, .stop:
            false
        }
    }
}

/// One request on the control socket, with the way to answer it.
struct OperatorCall: Sendable {
    var request: ControlRequest
    /// The operator's name, as the kernel knows it.
    var by: String
    var asked: Instant
    var reply: @Sendable (ReplyLine) -> Void

    /// One line of the answer; the last one ends the conversation.
    struct ReplyLine: Sendable {
        var bytes: [UInt8]
        var isLast: Bool
    }
}
