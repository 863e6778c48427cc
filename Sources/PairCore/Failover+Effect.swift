extension Failover {
    /// Everything that the machine can ask of the shell, which carries it out in order.
    ///
    /// An effect is either *finished when the call returns*, or a *request* whose answer is a later
    /// event; a request is repeated by the shell until it is answered or `stopLog` ends it. Each may
    /// be carried out twice. When one fails, the rest of the list is dropped and `storageFailed` said.
    package enum Effect: Hashable, Sendable {
        /// Make the record durable. Finished.
        indirect case persist(NodeRecord)
        /// Let applications write: clear the marker if it is set, then release layer 1. Finished.
        case openGate(under: Epoch)
        /// Take layer 1, waiting for the transaction that holds it, and capture what is committed.
        /// Request: `gateClosed`. From now on the health answer is no.
        case closeGate
        /// Set the marker durably; only while layer 1 is ours. Finished.
        case setMarker
        /// Clear the marker, keeping layer 1. Finished.
        case clearMarker
        /// Sign and send on every path; may be lost.
        case send(PeerMessage)
        /// Apply everything received and prove the vault fit to serve. Request: `vaultChecked`.
        case checkVault
        /// Request: `reachProbed`.
        case probeReach
        /// Look up in the log and its digests. Request: `located`.
        case locate(RejoinInquiry)
        /// Send the log of this epoch to the peer as it asks for it, or a copy where it needs one.
        case serveLog(under: Epoch)
        /// Apply what the primary of this epoch sends.
        case followLog(of: Epoch)
        /// Break the log connection off and give up copies, undoing and lookups.
        case stopLog
        /// Seal what is after the fork, or the whole image, in an archive. Request: `tailSealed`.
        case sealTail(after: Position?)
        /// Bring the archive to the peer's disk. Request: `tailCopied`.
        case copyTail(String)
        /// Go back to this position in one transaction. Request: `rolledBack`.
        case undo(to: Position)
        /// Take a copy from the primary of this epoch, by page hashes where there is a vault.
        /// Request: `copied`.
        case takeCopy(of: Epoch)
        /// Tell the operator how a request ended.
        case reply(OperationID, Reply)
        /// An event for log, metrics and history.
        case report(Report)
    }

    package enum Reply: Hashable, Sendable {
        case done
        case nothingToDo
        /// Accepted; it goes on, over restarts too.
        case started
        /// Called off; the old state is kept.
        case aborted
        case refused(Refusal)
    }

    /// Why a verb is not carried out; nothing has changed.
    package enum Refusal: Hashable, Sendable {
        case notPaired
        case haIsOff
        case haIsOn
        case peerUnreachable
        case peerNotArmed
        case peerNotInSync
        case thisNodeIsSeeding
        /// Both nodes serve: say which vault is given up.
        case bothServe
        /// Another operation goes on.
        case busy(OperationID)
        /// Unsafe for so long; a forced promotion takes a person's word that the peer is down.
        case unsafe(secondsUntilSafe: Int)
        case inDoubt
        case wrongRole(Role)
        /// This node's vault is gone, or is not the one that it served.
        case vaultLost
        /// The peer's is, which is primary.
        case peerVaultLost
    }

    package enum Report: Hashable, Sendable {
        case promoted(Epoch, EpochCause)
        case demoted
        case fenced
        case alone
        case armed(generation: UInt64)
        case disarmed
        case heartbeatRejected
        case stalePrimarySeen(Epoch)
        case refusedEpoch(Epoch)
        case switchoverStarted
        case switchoverAborted(HandingOverObstacle)
        case inDoubt
        case divergence(Position?)
        case rolledBack(Position)
        case haDisabled
        case haEnabled
        case suspended
        case resumed
        case failed
    }
}

extension Failover {
    /// Why a primary that was handing over goes on.
    package enum HandingOverObstacle: String, Hashable, Sendable {
        /// The peer has not said in time that it is ready.
        case peerNotReady
        /// A write transaction of an application has kept the gate from closing.
        case gateHeld
        /// The peer has not applied in time what was left.
        case peerBehind
        /// The peer has persisted that it will not take over.
        case peerDeclined
        /// An operator has withdrawn it.
        case withdrawn
    }
}
