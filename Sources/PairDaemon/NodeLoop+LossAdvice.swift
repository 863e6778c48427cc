import PairCore
import PairStore

// What an operator is told of a vault that is gone, or is another one.
extension NodeLoop {
    /// The logs of lost vaults that nobody has removed.
    var keptLogReservations: [PairFacts.Reservation] {
        self.keptLogs.map { folder in
            .init(
                "commits of a lost vault that may be in no copy are kept, as pages, in \(folder)",
                next: "rm -r \(folder), when they are of no more use"
            )
        }
    }

    /// A vault in service that something has been copied over; a node that does not serve reads it anew.
    var overwritten: PairFacts.Reservation? {
        let path = self.shell.configuration.vaultPath
        let check: String
        switch self.record.role {
        case .primary: check = "pairctl verify --full"
        case .standalone: check = "sqlite3 \(path) 'PRAGMA integrity_check'"
        case .secondary, .none: return nil
        }
        guard self.shell.vault.isTamperedWith else { return nil }
        return .init(
            "\(path) was written to by something that is not SQLite",
            next: "\(check); when that finds nothing: systemctl restart paird"
        )
    }

    /// A parked node waits for no application: what that would make has nothing to do with the pair.
    var parkedWithoutCopy: String? {
        guard self.record.role == .none, self.record.peer?.wasEnabled == true,
            self.attachTrouble != nil, self.isVaultMissing
        else { return nil }
        return
            "\(self.shell.configuration.vaultPath), the copy on this node, is gone; enable-ha on "
            + "\(self.peerName) brings another"
    }

    /// What an operator can do about a vault that this node should serve and does not have.
    var vaultLoss: PairFacts.Reservation? {
        let (path, peer) = (self.shell.configuration.vaultPath, self.peerName)
        guard let failover = self.failover else { return nil }
        if self.record.role == .secondary, failover.isVaultMissing || self.record.isSeeding,
            failover.peerHasLostVault, self.isPeerHeard
        {
            return .init(
                "\(path), the copy on this node, is "
                    + (failover.isVaultMissing ? "gone" : "not whole")
                    + ", and \(peer), the primary, has lost its vault as well",
                next: "put the vault back on \(peer); a backup of it is served by, on \(peer): "
                    + "pairctl promote --force --confirm \(self.localName) --reason TEXT"
            )
        }
        if self.record.role == .secondary, failover.peerHasLostVault, self.isPeerHeard {
            return .init(
                "\(peer), the primary, has lost its vault; what may be the last copy is here",
                next: "pairctl promote, if the vault cannot be brought back on \(peer)"
            )
        }
        if self.record.role == .secondary, self.peerHasFailed {
            return .init(
                "\(peer), the primary, has failed and serves nothing",
                next: "on \(peer): pairctl status; to take over here before the timeout: "
                    + "pairctl promote"
            )
        }
        if self.record.role == .secondary, self.holdsForeignVault, !self.isPeerHeard {
            return .init(
                "\(path) is not the copy of \(peer)'s vault, and \(peer) is not heard",
                next: "on \(peer): systemctl start paird; if it is lost, and what lies here is to "
                    + "be served: pairctl promote --force --confirm \(peer) --reason TEXT"
            )
        }
        if self.record.role == .secondary, failover.isVaultMissing, !self.isPeerHeard {
            return .init(
                "\(path), the copy on this node, is gone, and \(peer) is not heard",
                next: "put it back, or on \(peer): systemctl start paird; if both are lost, put a "
                    + "backup here, and: pairctl promote --force --confirm \(peer) --reason TEXT"
            )
        }
        guard self.lacksVault, failover.gate != .open else { return nil }
        guard self.record.role == .primary else {
            guard self.record.role == .standalone else { return nil }
            let other =
                self.record.peer == nil
                ? "" : "; to take \(peer)'s copy instead, on \(peer): pairctl enable-ha"
            return .init(
                "\(path), which this node served, is gone",
                next: "put it back, or let the application create it in WAL mode" + other
            )
        }
        let isPeerEmpty =
            self.isPeerHeard && failover.link.peer?.role == .secondary
            && failover.link.peer?.hasVault == false
        let takeOver =
            isPeerEmpty
            ? "\(peer) has no copy either"
            : "to let \(peer) take over with its copy, on \(peer): pairctl promote"
        // Suspended meanwhile, it has said that it would not, and is armed by heartbeats alone.
        let mayPromotePeer =
            self.record.right == .leased && self.record.policy.failover != .manual
            && (!self.isPeerHeard || failover.secondaryIsArmed)
        let waits =
            mayPromotePeer
            ? "; \(peer), which hears no heartbeat, promotes itself after "
                + Measure.text(self.record.policy.timeout)
            : ""
        if failover.isVaultMissing {
            return .init(
                isPeerEmpty
                    ? "\(path), which this node served, is gone, and \(peer) has no copy of it"
                    : "\(path), which this node served, is gone; what may be the last copy is on "
                        + "\(peer)\(waits)",
                next: "put it back; \(takeOver)"
            )
        }
        return .init(
            "\(path) is not the vault that this node served, and is not opened\(waits)",
            next: "\(takeOver); to serve what lies here: pairctl promote --force --confirm "
                + "\(peer) --reason TEXT"
        )
    }
}
