/// What becomes of a node whose vault is not there, or not the one that it was.
///
/// A primary's vault that is gone may live on in the peer's copy alone. So whoever has lost it serves
/// nothing and sends no heartbeat: the peer promotes itself after its timeout, or an operator decides
/// sooner. Whatever else comes to lie in a vault's place gets an entry of its own in the lineage
/// (`replaced`) before it is served, marked or copied over: by that entry both nodes know that neither
/// of the two vaults holds what the other does, and whichever has to give way is sealed first.
extension Failover {
    /// Why a node does not go by the vault that it finds; kept in the record over restarts.
    package enum Quarantine: String, Hashable, Sendable {
        /// A primary's vault was missing; by the next start an application may have made another.
        case lost = "the vault that was served here is gone"
        /// Another lies in its place, and the lineage says so; an operator decides.
        case foreign = "another vault lies in the place of the one that was served"
        /// Another was found in its place and is about to be served; the lineage does not say so yet.
        case replacing = "another vault is taken for the one that was served"
        /// What lies here has no marker, or is not what was in custody, although nobody was to write to it.
        case suspect = "the vault may have been written to by others"
    }

    /// What the record says of this node's vault; `nil` when it can be trusted.
    package static func quarantine(of record: NodeRecord) -> Quarantine? {
        record.quarantineReason.flatMap(Quarantine.init(rawValue:))
    }

    /// Of a primary: nothing that lies here may be served without an operator's word.
    package var isVaultLost: Bool {
        guard case .primary(let primary) = self.state, case .closed(let closed) = primary.stage
        else { return false }
        return closed.reason == .vaultLost
    }

    /// What lies here is the vault that this node speaks of.
    var holdsVault: Bool { self.hasVault && !self.isVaultLost }

    func closed(for reason: Primary.Closed.Reason) -> Primary.Closed {
        Primary.Closed(reason: reason, since: self.clock.longest, gateWasOpen: false)
    }

    /// A primary without its vault, or with another in its place.
    mutating func lackVault() {
        if self.isVaultMissing { self.rememberLoss() }
        self.state = .primary(Primary(stage: .closed(self.closed(for: .vaultLost))))
    }

    mutating func rememberLoss() {
        guard Self.quarantine(of: self.record) != .foreign else { return }
        self.persist { $0.quarantineReason = Quarantine.lost.rawValue }
    }

    /// - Parameters:
    ///   - position: where it stands.
    ///   - isOurs: the log proves that it is the one that this node had.
    ///   - hasTables: there is something in it that could be lost.
    mutating func vaultFound(at position: Position, isOurs: Bool, hasTables: Bool) {
        // The offer to hand over speaks of the vault that was here; it is settled first.
        if case .primary(let primary) = self.state, primary.stage == .inDoubt { return }
        self.isVaultMissing = false
        self.hasVault = hasTables
        let wasLost = self.isVaultLost
        if isOurs {
            self.position = position
            self.persist { record in
                record.quarantineReason = nil
                if record.role == .secondary { record.isSeeding = false }
            }
        } else {
            self.adoptForeign(position)
        }
        switch self.state {
        case .standalone: self.openGate()
        case .primary where wasLost && isOurs:
            self.primary.stage = .closed(self.closed(for: .searching))
            self.emit(.serveLog(under: self.record.epoch))
        case .secondary:
            self.emit(.stopLog)
            self.resumeFollowing()
        case .primary, .idle, .starting, .failed: break
        }
        self.state(asProbe: true)
    }

    /// From now on the lineage says that this vault is not the one that it spoke of.
    private mutating func adoptForeign(_ position: Position) {
        let isPrimary = self.record.role == .primary
        if !isPrimary || Self.quarantine(of: self.record) != .foreign {
            let entry = self.nextEntry(.replaced, after: self.position)
            self.persist { record in
                record.lineage.append(entry)
                record.epoch = entry.epoch
                record.isSeeding = false
                record.peerAcknowledged = nil
                record.quarantineReason = isPrimary ? Quarantine.foreign.rawValue : nil
                Self.disarmUnlessLeased(&record)
            }
        }
        self.position = Position(
            epoch: self.record.epoch,
            txid: position.txid,
            digest: position.digest
        )
    }

    /// What was known of the vault in the record alone is said by the lineage, before the record is told
    /// to forget it.
    ///
    /// - Parameter quarantine: what the record says from now on.
    mutating func settleReplacement(as quarantine: Quarantine? = nil) {
        switch Self.quarantine(of: self.record) {
        case .replacing, .suspect: break
        case .lost, .foreign, nil: return
        }
        let entry = self.nextEntry(.replaced, after: self.position)
        self.persist { record in
            record.lineage.append(entry)
            record.epoch = entry.epoch
            record.peerAcknowledged = nil
            record.quarantineReason = quarantine?.rawValue
        }
    }

    /// What a secondary was armed for is another vault; what a primary has granted stays granted.
    private static func disarmUnlessLeased(_ record: inout NodeRecord) {
        if record.role != .primary { self.disarm(&record) }
    }

    /// Nobody but the applier should have written to what lies here, and somebody may have.
    mutating func vaultSuspected() {
        guard self.record.quarantineReason == nil else { return }
        self.persist { $0.quarantineReason = Quarantine.suspect.rawValue }
    }

    /// Nothing is left here that could be served alone; the peer must not be parked for that.
    private mutating func withdrawDisabling() {
        guard let operation = self.record.operation, operation.verb == .disableHA else { return }
        self.persist { record in
            Self.callOff(operation.id, in: &record)
            record.operation = nil
        }
        self.endAwaited(.aborted) { if case .disableHA = $0.verb { true } else { false } }
    }

    /// There is nothing here that the peer could follow; what it asks for itself is heard then.
    mutating func withdrawEnabling() {
        guard let operation = self.record.operation, operation.verb == .enableHA else { return }
        self.persist { record in
            Self.callOff(operation.id, in: &record)
            record.operation = nil
        }
        self.forgetRequest(operation.id)
        self.endAwaited(.refused(.vaultLost)) { $0.id == operation.id }
    }

    mutating func vaultLost() {
        switch self.state {
        case .secondary:
            // Not yet a reason to take a whole copy: it may be back before there is a primary.
            self.hasVault = false
            self.isVaultMissing = true
            self.emit(.stopLog)
            self.persist { record in
                Self.disarm(&record)
                record.quarantineReason = nil
            }
            self.resumeFollowing()
            self.endAwaited(.aborted) { if case .promote = $0.verb { true } else { false } }
            self.state(asProbe: true)
        case .primary(let primary):
            self.missServedVault()
            self.rememberLoss()
            self.withdrawDisabling()
            if primary.stage != .inDoubt {
                self.primary.stage = .closed(self.closed(for: .vaultLost))
            }
            self.endAwaited(.aborted) { if case .switchover = $0.verb { true } else { false } }
            self.state(asProbe: true)
        case .standalone:
            self.missServedVault()
            self.withdrawEnabling()
            self.state(asProbe: true)
        case .idle:
            self.hasVault = false
            self.state(asProbe: true)
        case .starting, .failed: break
        }
    }

    /// The gate closes over the files that are gone, too: what an application that still has them
    /// open would commit there could never be found again.
    private mutating func missServedVault() {
        self.hasVault = false
        self.isVaultMissing = true
        self.emit(.stopLog)
        self.closeGate()
        self.emit(.report(.fenced))
    }
}
