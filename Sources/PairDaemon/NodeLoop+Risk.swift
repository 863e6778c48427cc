import Logging
import PairCore
import PairStore
import PairWire

// What would be lost with this node: never told as less than it is, over restarts too.
extension NodeLoop {
    /// How often a primary makes durable what its secondary has acknowledged.
    private static let rememberingInterval = Duration.seconds(60)

    /// What is at risk when capture begins at `position`: all that the secondary is not known to have.
    func backlog(upTo position: Position) -> Backlog {
        let vault = self.shell.vault
        let known = min(self.record.peerAcknowledged?.txid ?? .zero, position.txid)
        guard known < position.txid else { return Backlog(acknowledged: known) }
        // A log that goes on elsewhere says nothing of how the vault came to be here.
        let rest = vault.log.newest?.txid == position.txid ? vault.log.rest(after: known) : nil
        return Backlog(
            acknowledged: known,
            last: position.txid,
            byteCount: rest.map { UInt64($0.byteCount) } ?? vault.byteCount,
            since: rest.map { rest in
                let committed = rest.commitTimeMicroseconds / 1000
                let age = max(0, WallClock.now.millisecondsSince1970 - committed)
                return self.shell.now + .milliseconds(-age)
            }
        )
    }

    /// Makes durable what the secondary is known to have, for the time after a restart.
    ///
    /// Of no consequence when that fails: more is told as at risk then than is.
    func rememberFollower() {
        self.followerRememberedAt = self.shell.now
        guard let failover = self.failover, failover.nodeState != .failed,
            case .primary = failover.record.role,
            self.shell.keeper.current.peerAcknowledged != failover.record.peerAcknowledged
        else { return }
        var record = self.shell.keeper.current
        record.peerAcknowledged = failover.record.peerAcknowledged
        do {
            try self.shell.keeper.store(record)
        } catch {
            self.shell.report(error, during: .state)
        }
    }

    /// Takes note of what a joiner has, which may be less than it once had.
    func noteCommonPoint() {
        let common = self.record.peerAcknowledged?.txid ?? .zero
        self.shell.figures.update { $0.common = common }
        if common < self.shell.figures.values.durable.acknowledged {
            self.shell.fallBack(to: common)
        }
    }

    /// Once a tick: it matters most while the secondary is away.
    func lookAfterFollower(_ now: Instant) {
        let isSilent =
            now - self.lastHeard > self.shell.timers.connectionLoss
            && self.followerRememberedAt < self.lastHeard
        guard isSilent || now - self.followerRememberedAt >= Self.rememberingInterval else {
            return
        }
        self.rememberFollower()
    }
}

extension NodeShell {
    /// The secondary begins anew, and may have less than it once said.
    func fallBack(before plan: LogMessage.Plan) {
        let known: TXID
        switch plan.way {
        case .stream(let position):
            guard position.txid < self.figures.values.durable.acknowledged else { return }
            known = position.txid
        case .delta: known = self.figures.values.common
        case .seed: known = .zero
        case .refuse: return
        }
        self.fallBack(to: known)
    }

    func fallBack(to known: TXID) {
        let rest = self.vault.log.rest(after: known)
        self.figures.fallBack(
            to: known,
            byteCount: rest.map { UInt64($0.byteCount) } ?? self.vault.byteCount
        )
    }
}
