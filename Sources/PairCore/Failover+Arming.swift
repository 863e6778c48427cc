/// Arming and the pledge that revokes it: who may promote itself, and who knows that nobody can.
extension Failover {
    /// The follower is in sync, in sight and willing.
    var mayArm: Bool {
        guard case .primary(let primary) = self.state, primary.stage == .serving,
            self.gate == .open, self.record.right == .solo, !self.record.arming.isArmed,
            self.record.policy.failover != .manual, self.record.operation?.verb != .disableHA,
            primary.follower?.inSync == true,
            let peer = self.link.peer, peer.role == .secondary, peer.epoch == self.record.epoch,
            !peer.isSuspended, !peer.isSeeding, self.record.suspension == nil
        else { return false }
        // It has answered a heartbeat of this epoch: the exchange works.
        return primary.lease?.isValid(at: self.clock.longest) == true
    }

    /// Makes the follower able to promote itself, from the moment this is durable.
    mutating func arm() {
        guard self.mayArm, let peer = self.link.peer else { return }
        let newest = max(
            self.record.arming.generation,
            self.record.arming.revoked,
            peer.arming.generation,
            peer.arming.revoked
        )
        self.persist { record in
            record.right = .leased
            record.arming.isArmed = true
            record.arming.generation = newest + 1
        }
        // Nobody can have been armed by a message older than this, so the first lease counts from
        // here; a secondary's full timer starts when it is armed.
        self.primary.lease = Lease(sent: self.clock.longest, timeout: self.timing.timeout)
        self.primary.nextHeartbeat = self.clock.longest
        self.emit(.report(.armed(generation: newest + 1)))
    }

    /// The peer has persisted that it will not act on any arming up to `revoked`.
    mutating func takePledge(_ statement: Statement) {
        guard self.record.right == .leased,
            statement.arming.revoked >= self.record.arming.generation
                || self.has(.soloWithoutPledge)
        else { return }
        self.persist { record in
            record.right = .solo
            record.arming.isArmed = false
            record.aloneSince = nil
        }
        self.emit(.report(.disarmed))
        self.resumeAfterPledge()
    }

    /// Opens a gate that was closed only because the peer might have promoted itself.
    ///
    /// The pledge may come while the gate is still closing, so every tick asks again: without the
    /// lease nothing else would ever open it.
    mutating func resumeAfterPledge() {
        guard self.record.right == .solo, self.gate == .closed,
            case .closed(let closed) = self.primary.stage, closed.mayReopen,
            let peer = self.link.peer, peer.role != .primary, peer.role != .standalone,
            peer.epoch <= self.record.epoch
        else { return }
        self.returnToService()
    }

    /// Gives up the right to promote itself, for this arming and all before it.
    ///
    /// - Parameter upTo: the newest arming that the peer speaks of, whether or not it has come here.
    static func disarm(_ record: inout NodeRecord, upTo generation: UInt64 = 0) {
        record.arming.generation = max(record.arming.generation, generation)
        record.arming.revoked = max(record.arming.revoked, record.arming.generation)
        record.arming.isArmed = false
    }

    /// What a heartbeat says about this secondary's right to promote itself.
    mutating func takeArming(_ heartbeat: Heartbeat) {
        guard heartbeat.isArmed,
            heartbeat.armGeneration > self.record.arming.revoked || self.has(.ignorePledge),
            heartbeat.armGeneration > self.record.arming.generation
                || !self.record.arming.isArmed
        else { return }
        let isWilling =
            self.record.suspension == nil && !self.record.isSeeding
            && self.record.quarantineReason == nil && self.secondary.isFollowing
        if isWilling {
            self.persist { record in
                record.arming.generation = heartbeat.armGeneration
                record.arming.isArmed = true
            }
        } else if heartbeat.armGeneration > self.record.arming.revoked {
            // The primary counts on this node; it must learn that it should not.
            self.persist { record in
                Self.disarm(&record, upTo: heartbeat.armGeneration)
            }
            self.state(asProbe: false)
        }
    }

    /// Lets a primary go on that counts on an arming which this node never got, or no longer has.
    mutating func pledgeUnarmed(to statement: Statement) {
        guard !self.record.arming.isArmed, statement.right == .leased,
            statement.arming.generation > self.record.arming.revoked
        else { return }
        self.persist { Self.disarm(&$0, upTo: statement.arming.generation) }
        self.state(asProbe: false)
    }
}
