/// What happens when a primary hears from its peer, in whatever role that is.
extension Failover {
    mutating func primaryHears(_ statement: Statement, fresh: Nonce) {
        switch statement.role {
        case .primary: self.primaryMeets(primary: statement, fresh: fresh)
        case .secondary: self.primaryHears(secondary: statement)
        case .none:
            self.dropWithdrawn(by: statement)
            self.takePledge(statement)
            self.settleDoubt(by: statement)
            self.finishDisabling(after: statement)
        case .standalone:
            // A person has vouched that this node was down, and switched HA off.
            guard !self.record.lineage.contains(statement.epoch) else { return }
            if self.gate == .closed { self.becomeParked() } else { self.meet(fresh: fresh) }
        }
    }

    // MARK: Another primary

    /// The claim that decides who survives, as each side states it.
    func claims(
        against statement: Statement
    ) -> (mine: DualPrimary.Claim, theirs: DualPrimary.Claim) {
        let fork = self.record.lineage.fork(from: statement.lineage)
        let base = fork?.txid ?? min(self.position.txid, statement.position.txid)
        let isMineReplaced = self.record.lineage.isReplaced(against: statement.lineage)
        let isTheirsReplaced = statement.lineage.isReplaced(against: self.record.lineage)
        // Nothing of what was there before is in a vault that was put in its place.
        let (mineBase, theirBase): (TXID, TXID) =
            (isTheirsReplaced ? .zero : base, isMineReplaced ? .zero : base)
        return (
            DualPrimary.Claim(
                epoch: self.record.epoch,
                commits: self.position.txid.distance(from: mineBase),
                gateWasOpen: self.gateWasOpen,
                hasVault: self.holdsVault,
                isReplaced: isMineReplaced
            ),
            DualPrimary.Claim(
                epoch: statement.epoch,
                commits: statement.position.txid.distance(from: theirBase),
                gateWasOpen: statement.gateWasOpen,
                hasVault: statement.hasVault,
                isReplaced: isTheirsReplaced
            )
        )
    }

    private mutating func primaryMeets(primary statement: Statement, fresh: Nonce) {
        guard statement.epoch != self.record.epoch else { return }
        let (mine, theirs) = self.claims(against: statement)
        if case .inDoubt = self.primary.stage {
            // It took over, by this offer or by the timeout; nothing was written here after it.
            if statement.epoch > self.record.epoch { self.yield(to: statement) }
            return
        }
        if self.gate == .open {
            // One that serves and has written meets one that does not: nothing that it does later
            // can change the answer.
            let isSettled =
                !statement.gateWasOpen
                && (mine.hasVault && !theirs.hasVault || mine.commits > 0
                    || theirs.commits == 0 && mine.epoch > theirs.epoch)
            if !isSettled { self.meet(fresh: fresh) }
            return
        }
        guard case .closed = self.primary.stage, self.gate == .closed else { return }
        switch DualPrimary(mine: mine, theirs: theirs) {
        case .yield:
            // With no commits of its own the other side's claim is only as good as its next write;
            // but writing makes it stronger, and this side is still.
            self.yield(to: statement)
        case .survive:
            // Waits until the other has persisted that it gives in.
            break
        }
    }

    /// Stops, so that what is compared does not change, and asks the other side anew.
    mutating func meet(fresh: Nonce) {
        let fork = self.link.peer.flatMap { self.record.lineage.fork(from: $0.lineage) }
        self.emit(.report(.divergence(fork)))
        self.emit(.stopLog)
        self.leaveService(for: .meeting)
        self.forgetStatements(fresh)
        self.state(asProbe: true)
    }

    /// Gives in to the other primary, or to the successor of a handover.
    ///
    /// The marker comes before the record: between the two a reboot finds a primary with a marker,
    /// which is closed, never a secondary without one.
    mutating func yield(to statement: Statement) {
        self.settleReplacement()
        if !self.has(.yieldOpen) { self.emit(.setMarker) }
        self.emit(.stopLog)
        self.persist { record in
            record.quarantineReason = nil
            record.role = .secondary
            record.right = .solo
            Self.disarm(&record, upTo: statement.arming.generation)
            record.relinquish = nil
            record.operation = nil
            record.aloneSince = nil
        }
        self.state = .secondary(Secondary(stage: .searching, now: self.clock.shortest))
        if self.has(.yieldOpen) { self.openGate() }
        self.emit(.report(.demoted))
        self.endAwaited(.aborted) { request in
            switch request.verb {
            case .enableHA, .disableHA: true
            case .switchover, .promote, .suspend, .resume, .standalone: false
            }
        }
        self.state(asProbe: true)
    }

    // MARK: A secondary

    private mutating func primaryHears(secondary statement: Statement) {
        self.takePledge(statement)
        self.settleDoubt(by: statement)
        self.resumeAfterPledge()
        guard case .primary(let primary) = self.state else { return }
        if case .closed(let closed) = primary.stage, self.gate == .closed,
            !statement.arming.isArmed, closed.reason != .vaultLost,
            closed.reason == .meeting || statement.epoch > self.record.epoch
        {
            // It gave in, and cannot promote itself: this node goes on, above both epochs.
            self.primary.follower = nil
            if statement.epoch > self.record.epoch {
                self.becomePrimary(cause: .resolution, operation: self.record.operation)
            } else {
                self.persist { record in
                    record.right = .solo
                    record.arming.isArmed = false
                    record.aloneSince = nil
                }
                self.returnToService()
            }
        }
        if case .serving = primary.stage, self.gate == .open, !statement.arming.isArmed,
            statement.epoch > self.record.epoch
        {
            // It gave in while this node served on; what it holds is kept apart by a higher epoch.
            self.beginEpoch(cause: .resolution, after: self.position)
        }
        self.advanceHandingOver(hearing: statement)
        self.placeFollower(statement)
    }

    /// Tells a secondary that does not follow how to rejoin, after a look into the log.
    private mutating func placeFollower(_ statement: Statement) {
        guard case .primary(let primary) = self.state, primary.stage != .inDoubt,
            statement.role == .secondary
        else { return }
        switch statement.state {
        case .streaming, .suspect, .promoting, .seeding, .catchingUp, .superseded:
            // Taken; where the joiner is afterwards is a new question.
            if primary.offer != nil { self.primary.offer = nil }
        case .lookingForPeer:
            if case .handingOver = primary.stage { return }
            if case .closed(let closed) = primary.stage, closed.reason == .meeting { return }
            guard !self.isVaultLost else { return }
            if let offer = primary.offer, offer.incarnation == statement.number.incarnation,
                offer.position == statement.position
            {
                return
            }
            self.emit(
                .locate(
                    RejoinInquiry(
                        joiner: Self.joiner(statement),
                        fork: self.record.lineage.fork(from: statement.lineage)
                    )
                )
            )
        case .starting, .failed, .quarantined, .unpaired,
            .paired, .parked, .serving, .alone, .draining, .inDoubt, .fenced, .hold:
            break
        }
    }

    private static func joiner(_ statement: Statement) -> Position? {
        statement.isSeeding || !statement.hasVault ? nil : statement.position
    }

    mutating func located(_ inquiry: RejoinInquiry, _ finding: RejoinFinding) {
        guard case .primary(let primary) = self.state, primary.stage != .inDoubt,
            let peer = self.link.peer, peer.role == .secondary,
            inquiry.joiner == Self.joiner(peer),
            inquiry.fork == self.record.lineage.fork(from: peer.lineage)
        else { return }
        let isPast = inquiry.fork.map { peer.position.txid > $0.txid } ?? false
        // Since then another vault lies here, or there: whatever the joiner holds may exist nowhere
        // else.
        let isReplaced =
            self.record.lineage.isReplaced(against: peer.lineage)
            || peer.lineage.isReplaced(against: self.record.lineage)
        // Two vaults that were each served alone have no common point, whatever their numbers say.
        let isStranger =
            !peer.lineage.entries.isEmpty && !self.record.lineage.shares(peer.lineage)
        let common: Rejoin.CommonPoint =
            if isReplaced {
                .nowhere
            } else if finding.holdsJoinerPosition {
                .ownPosition(epochChanged: peer.epoch != self.record.epoch)
            } else if isPast, finding.holdsFork, !isStranger {
                .fork
            } else {
                .nowhere
            }
        // It may have less than it once had: an older copy was put back, or none is left.
        self.record.peerAcknowledged =
            switch common {
            case .ownPosition: inquiry.joiner
            case .fork: inquiry.fork
            case .nowhere: nil
            }
        let rejoin = Rejoin(
            hasVault: inquiry.joiner != nil,
            equalAt: common,
            logIsKept: finding.logIsKept
        )
        self.primary.offer = RejoinOffer(
            rejoin: rejoin,
            fork: common == .fork ? inquiry.fork : nil,
            incarnation: peer.number.incarnation,
            position: peer.position
        )
        self.state(asProbe: true)
    }

    mutating func peerApplied(_ position: Position, inSync: Bool) {
        guard case .primary(let primary) = self.state else { return }
        var follower = primary.follower ?? Primary.Follower()
        follower.applied = position
        follower.inSync = inSync
        self.primary.follower = follower
        if self.record.peerAcknowledged == nil { self.persist { $0.peerAcknowledged = position } }
        // What the peer has is remembered when it matters, not with every transaction.
        self.record.peerAcknowledged = position
        self.arm()
        self.continueHandingOver()
    }

    /// The secondary stays one: what it holds is still part of the primary's history, and only time
    /// can tell whether anything is wrong.
    mutating func logInterrupted() {
        switch self.state {
        case .primary: self.primary.follower = nil
        case .secondary(let secondary):
            guard secondary.stage == .following else { return }
            self.secondary.stage = .interrupted(since: self.clock.shortest)
            self.secondary.nextProbe = self.clock.shortest
        case .starting, .idle, .standalone, .failed: break
        }
    }

    mutating func logResumed() {
        guard case .secondary(let secondary) = self.state, secondary.isFollowing else { return }
        self.secondary.stage = .following
    }

    mutating func logLost() {
        switch self.state {
        case .primary: self.primary.follower = nil
        case .secondary(let secondary):
            guard secondary.isFollowing else { return }
            self.emit(.stopLog)
            self.secondary.stage = .searching
            self.secondary.nextProbe = self.clock.shortest
        case .starting, .idle, .standalone, .failed: break
        }
    }

    mutating func gateDidClose(at position: Position) {
        guard self.gate == .closing else { return }
        self.gate = .closed
        self.position = position
        switch self.state {
        case .primary(let primary):
            if case .handingOver(var handingOver) = primary.stage, handingOver.step == .closing {
                handingOver.step = .draining(position)
                self.primary.stage = .handingOver(handingOver)
                self.continueHandingOver()
            } else {
                self.state(asProbe: true)
            }
        case .idle: self.idleDidClose()
        case .standalone: self.standaloneDidClose()
        case .starting, .secondary, .failed: break
        }
    }

    /// The peer may hold transactions that were never proven here: its own epoch keeps them apart.
    mutating func continuityLost(at position: Position, isReplaced: Bool) {
        if isReplaced, case .standalone = self.state {
            // Known before the vault is served, and before the peer's copy could be taken for older.
            let entry = self.nextEntry(.replaced, after: position)
            return self.persist { record in
                record.lineage.append(entry)
                record.epoch = entry.epoch
                record.quarantineReason = nil
                record.peerAcknowledged = nil
            }
        }
        guard case .primary(let primary) = self.state, primary.stage != .inDoubt,
            !self.isVaultLost
        else { return }
        self.beginEpoch(cause: isReplaced ? .replaced : .gap, after: position)
    }

    /// Goes on as primary under the next own epoch, with the gate as it is.
    private mutating func beginEpoch(cause: EpochCause, after position: Position) {
        let entry = self.nextEntry(cause, after: position)
        self.persist { record in
            record.lineage.append(entry)
            record.epoch = entry.epoch
            record.quarantineReason = nil
            if cause == .replaced { record.peerAcknowledged = nil }
        }
        self.primary.follower = nil
        self.primary.offer = nil
        self.emit(.serveLog(under: entry.epoch))
        self.emit(.report(.promoted(entry.epoch, cause)))
        self.state(asProbe: true)
    }
}
