/// What becomes of a node whose vault is not there, or not the one that it was.
///
/// A primary's vault that is gone may live on in the peer's copy alone. So whoever has lost it serves
/// nothing and sends no heartbeat: the peer promotes itself after its timeout, or an operator decides
/// sooner. What an application has made in its place since is never taken for the pair's vault.
extension Failover {
    /// Of a primary: nothing that lies here may be served without an operator's word.
    package var isVaultLost: Bool {
        guard case .primary(let primary) = self.state, case .closed(let closed) = primary.stage
        else { return false }
        return closed.reason == .vaultLost
    }

    /// What lies here is the vault that this node speaks of.
    var holdsVault: Bool { self.hasVault && !self.isVaultLost }

    /// Remembered over restarts, because by the next one an application may have made a new vault.
    private static let lostVault = "the vault that was served here is gone"

    func closed(for reason: Primary.Closed.Reason) -> Primary.Closed {
        Primary.Closed(reason: reason, since: self.clock.longest, gateWasOpen: false)
    }

    /// A primary that starts without its vault, or with another in its place.
    mutating func lackVault() {
        self.persist { $0.quarantineReason = Self.lostVault }
        self.state = .primary(Primary(stage: .closed(self.closed(for: .vaultLost))))
    }

    mutating func vaultFound(at position: Position, isOurs: Bool) {
        guard self.isVaultMissing || self.isVaultLost else { return }
        self.isVaultMissing = false
        self.hasVault = true
        switch self.state {
        case .standalone:
            self.position = position
            self.openGate()
        case .primary(let primary):
            guard case .closed(let closed) = primary.stage, closed.reason == .vaultLost, isOurs
            else { break }
            self.position = position
            self.persist { $0.quarantineReason = nil }
            self.primary.stage = .closed(self.closed(for: .searching))
            self.emit(.serveLog(under: self.record.epoch))
        case .starting, .idle, .secondary, .failed: break
        }
        self.state(asProbe: true)
    }

    mutating func vaultLost() {
        switch self.state {
        case .secondary(let secondary):
            // The primary has all that was here; without a whole copy nobody promotes itself.
            if case .rejoining = secondary.stage { return }
            self.hasVault = false
            self.isVaultMissing = true
            self.emit(.stopLog)
            self.persist { record in
                record.isSeeding = true
                Self.disarm(&record)
            }
            self.secondary.stage = .searching
            self.secondary.nextProbe = self.clock.shortest
            self.endAwaited(.aborted) { if case .promote = $0.verb { true } else { false } }
            self.state(asProbe: true)
        case .primary:
            self.persist { $0.quarantineReason = Self.lostVault }
            self.fail()
        case .starting, .idle, .standalone, .failed: self.fail()
        }
    }
}

extension Lineage {
    /// Since what both know another vault was put in the place of this history's.
    func isReplaced(against other: Lineage) -> Bool {
        self.entries.contains { $0.cause == .replaced && !other.contains($0.epoch) }
    }
}
