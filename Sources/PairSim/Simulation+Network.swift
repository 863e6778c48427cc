import PairCore
import PairWire

/// The network between the nodes, and the log and copies that go over it.
extension Simulation {
    mutating func send(_ message: PeerMessage, from bit: NodeBit) {
        self.observe(.sent(bit, message))
        self.transmit(.message(message), from: bit)
    }

    private static func id(_ bit: NodeBit) -> NodeID {
        NodeID(high: 7, low: UInt64(bit.rawValue))
    }

    private func codec(from bit: NodeBit) -> HeartbeatCodec {
        HeartbeatCodec(pair: self.pair, sender: Self.id(bit), receiver: Self.id(bit.other))
    }

    private func statementCodec(from bit: NodeBit) -> StatementCodec {
        StatementCodec(pair: self.pair, sender: Self.id(bit), receiver: Self.id(bit.other))
    }

    /// Loses, delays, repeats and overtakes, as it likes.
    mutating func transmit(_ packet: Packet, from bit: NodeBit) {
        let isControl =
            switch packet {
            case .message: true
            case .logRequest, .log, .logReceipt, .logRefusal, .copyRequest, .copy, .archive,
                .archiveReceipt:
                false
            }
        if self.isBlocked[self.node(bit)] {
            // What TCP had in flight may come out hours later.
            guard isControl, !self.isStory, self.chance.once(in: 20) else { return }
            self.queue.add(
                .packet(packet, to: bit.other),
                at: self.now + self.chance.within(.minutes(1)...(.hours(3)))
            )
            return
        }
        if self.lossOnceIn > 0, self.chance.once(in: self.lossOnceIn) { return }
        var delay = self.chance.within(200...3_000)
        if !self.faultsAreOver {
            if self.chance.once(in: 40) { delay += self.chance.within(0...30_000_000) }
            if isControl, self.chance.once(in: 400) {
                delay += self.chance.within(0...(.hours(2)))
            }
            if isControl, self.chance.once(in: 60) {
                self.queue.add(
                    .packet(packet, to: bit.other),
                    at: self.now + self.chance.within(0...(.hours(1)))
                )
            }
        }
        self.queue.add(.packet(packet, to: bit.other), at: self.now + delay)
    }

    mutating func arrive(_ packet: Packet, at bit: NodeBit) {
        let index = self.node(bit)
        guard self.nodes[index].isUp, self.nodes[index].daemon != nil else { return }
        guard self.nodes[index].isRunning else {
            // A connection holds so much, and no more.
            if self.nodes[index].inbox.count < 32 { self.nodes[index].inbox.append(packet) }
            return
        }
        switch packet {
        case .message(.heartbeat(let sent)):
            do {
                let codec = self.codec(from: bit.other)
                let heartbeat = try codec.decode(codec.encode(sent))
                self.tell(bit, .received(.heartbeat(heartbeat), fresh: self.freshNonce()))
            } catch {
                self.fail("HeartbeatCodec", "\(error)")
            }
        case .message(.statement(let sent)):
            do {
                let codec = self.statementCodec(from: bit.other)
                let statement = try codec.decode(codec.encode(sent))
                self.tell(bit, .received(.statement(statement), fresh: self.freshNonce()))
            } catch {
                self.fail("StatementCodec", "\(error)")
            }
        case .logRequest(let epoch, let position): self.requestLog(epoch, position, at: bit)
        case .log(let epoch, let position, let transactions):
            self.apply(epoch, after: position, transactions, on: bit)
        case .logReceipt(let epoch, let position): self.receipt(epoch, position, at: bit)
        case .logRefusal(let epoch):
            guard self.nodes[index].followedEpoch == epoch else { return }
            self.tell(bit, .logLost)
        case .copyRequest(let epoch):
            guard self.nodes[index].servedEpoch == epoch else { return }
            self.transmit(.copy(epoch, self.nodes[index].vault.history), from: bit)
        case .copy(let epoch, let history): self.install(epoch, history, on: bit)
        case .archive(let id, let transactions):
            self.nodes[index].archives[id] = transactions
            self.transmit(.archiveReceipt(id), from: bit)
        case .archiveReceipt(let id): self.tell(bit, .tailCopied(id))
        }
    }

    // MARK: The log

    mutating func follow(_ epoch: Epoch, on bit: NodeBit) {
        let index = self.node(bit)
        self.nodes[index].work += 1
        self.nodes[index].followedEpoch = epoch
        self.nodes[index].logHeardAt = self.now
        self.nodes[index].isLogInterrupted = false
        self.keepLog(bit, start: self.nodes[index].start, work: self.nodes[index].work)
    }

    /// The follower asks again now and then, and says so when nothing has come for long.
    mutating func keepLog(_ bit: NodeBit, start: UInt64, work: UInt64) {
        let index = self.node(bit)
        guard self.nodes[index].start == start, self.nodes[index].work == work,
            let epoch = self.nodes[index].followedEpoch
        else { return }
        if self.now - self.nodes[index].logHeardAt > .seconds(50),
            !self.nodes[index].isLogInterrupted
        {
            self.nodes[index].isLogInterrupted = true
            self.tell(bit, .logInterrupted)
            guard self.nodes[index].start == start, self.nodes[index].work == work else { return }
        }
        self.transmit(.logRequest(epoch, from: self.nodes[index].vault.position), from: bit)
        self.queue.add(
            .keepLog(bit, start: start, work: work),
            at: self.now + .seconds(15)
        )
    }

    private mutating func requestLog(_ epoch: Epoch, _ position: Position, at bit: NodeBit) {
        let index = self.node(bit)
        guard self.nodes[index].servedEpoch == epoch,
            self.nodes[index].vault.holds(position)
        else {
            self.transmit(.logRefusal(epoch), from: bit)
            return
        }
        self.sendLog(after: position, from: bit)
    }

    private mutating func sendLog(after position: Position, from bit: NodeBit) {
        let index = self.node(bit)
        guard let epoch = self.nodes[index].servedEpoch else { return }
        let transactions = self.nodes[index].vault.transactions(
            after: position.txid,
            atMost: 64
        )
        self.transmit(.log(epoch, after: position, Array(transactions)), from: bit)
    }

    /// A primary that has committed sends what its follower lacks.
    mutating func ship(from bit: NodeBit) {
        let index = self.node(bit)
        guard self.nodes[index].isRunning, self.nodes[index].servedEpoch != nil,
            case .primary(let primary) = self.nodes[index].daemon?.failover.state,
            let applied = primary.follower?.applied
        else { return }
        self.sendLog(after: applied, from: bit)
        guard !self.nodes[index].isRetryingLog else { return }
        self.nodes[index].isRetryingLog = true
        self.queue.add(
            .retryLog(bit, start: self.nodes[index].start),
            at: self.now + 500_000
        )
    }

    mutating func retryLog(_ bit: NodeBit, start: UInt64) {
        let index = self.node(bit)
        guard self.nodes[index].start == start else { return }
        self.nodes[index].isRetryingLog = false
        guard case .primary(let primary) = self.nodes[index].daemon?.failover.state,
            let applied = primary.follower?.applied,
            applied != self.nodes[index].vault.position
        else { return }
        if self.now - self.nodes[index].logHeardAt > .seconds(50) {
            self.tell(bit, .logInterrupted)
        } else {
            self.ship(from: bit)
        }
    }

    private mutating func apply(
        _ epoch: Epoch,
        after position: Position,
        _ transactions: [SimTransaction],
        on bit: NodeBit
    ) {
        let index = self.node(bit)
        guard self.nodes[index].followedEpoch == epoch else { return }
        self.nodes[index].logHeardAt = self.now
        if self.nodes[index].isLogInterrupted {
            self.nodes[index].isLogInterrupted = false
            self.tell(bit, .logResumed)
            guard self.nodes[index].followedEpoch == epoch else { return }
        }
        for transaction in transactions {
            let end = self.nodes[index].vault.position
            guard transaction.position.txid == end.txid.next else { continue }
            guard
                transaction.position.digest
                    == SimVault.digest(after: end.digest, write: transaction.write)
            else {
                self.nodes[index].followedEpoch = nil
                self.tell(bit, .logLost)
                return
            }
            self.nodes[index].vault.append(transaction)
        }
        let end = self.nodes[index].vault.position
        self.tell(bit, .positionChanged(end))
        self.transmit(.logReceipt(epoch, end), from: bit)
    }

    private mutating func receipt(_ epoch: Epoch, _ position: Position, at bit: NodeBit) {
        let index = self.node(bit)
        guard self.nodes[index].servedEpoch == epoch, self.nodes[index].vault.holds(position)
        else { return }
        self.nodes[index].logHeardAt = self.now
        let end = self.nodes[index].vault.position
        self.tell(
            bit,
            .peerApplied(position, inSync: end.txid.distance(from: position.txid) < 16)
        )
        if position != end { self.ship(from: bit) }
    }

    // MARK: Rejoining

    mutating func locate(_ inquiry: RejoinInquiry, on bit: NodeBit) {
        let vault = self.nodes[self.node(bit)].vault
        let holds = inquiry.joiner.map { vault.holds($0) } ?? false
        let finding = RejoinFinding(
            holdsJoinerPosition: holds,
            logIsKept: holds && (self.isStory || !self.chance.once(in: 6)),
            holdsFork: inquiry.fork.map { vault.holds($0) } ?? false
        )
        self.answer(bit, .located(inquiry, finding), after: self.chance.within(500...50_000))
    }

    mutating func sealTail(after fork: Position?, on bit: NodeBit) {
        let index = self.node(bit)
        let history = self.nodes[index].vault.history
        let from = fork ?? .start
        let transactions = Array(history[min(Int(from.txid.rawValue), history.count)...])
        let end = self.nodes[index].vault.position
        let tail = NodeRecord.Tail(
            id: "\(bit.rawValue)-\(from.txid)-\(end.txid)-\(end.digest.lanes.0)",
            node: bit,
            from: from,
            to: end,
            transactions: UInt64(transactions.count),
            byteCount: 0,
            wallSeconds: self.wall
        )
        self.nodes[index].archives[tail.id] = transactions
        self.answer(
            bit,
            .tailSealed(tail),
            after: self.chance.within(1_000...2_000_000),
            work: self.nodes[index].work
        )
    }

    mutating func retryTail(_ bit: NodeBit, start: UInt64, work: UInt64, _ id: String) {
        let index = self.node(bit)
        guard self.nodes[index].start == start, self.nodes[index].work == work,
            case .secondary(let secondary) = self.nodes[index].daemon?.failover.state,
            case .rejoining(let rejoining) = secondary.stage, rejoining.step == .copyingTail,
            let transactions = self.nodes[index].archives[id]
        else { return }
        self.transmit(.archive(id, transactions), from: bit)
        self.queue.add(
            .retryTail(bit, start: start, work: work, id),
            at: self.now + .seconds(2)
        )
    }

    mutating func undo(to position: Position, on bit: NodeBit) {
        let index = self.node(bit)
        guard self.nodes[index].vault.holds(position) else {
            self.observe(.destroyed(bit, []))
            self.violation = Violation(
                seed: self.scenario.seed,
                time: self.now,
                checker: "UndoReachesTheFork",
                text: "node \(bit.rawValue) never was at \(position)"
            )
            return
        }
        let removed = self.nodes[index].vault.truncate(to: position.txid)
        self.observe(.destroyed(bit, removed))
        self.answer(
            bit,
            .rolledBack(self.nodes[index].vault.position),
            after: 50_000,
            work: self.nodes[index].work
        )
    }

    mutating func retryCopy(_ bit: NodeBit, start: UInt64, work: UInt64, _ epoch: Epoch) {
        let index = self.node(bit)
        guard self.nodes[index].start == start, self.nodes[index].work == work,
            case .secondary(let secondary) = self.nodes[index].daemon?.failover.state,
            case .rejoining(let rejoining) = secondary.stage, rejoining.step == .copying,
            rejoining.epoch == epoch
        else { return }
        self.transmit(.copyRequest(epoch), from: bit)
        self.queue.add(
            .retryCopy(bit, start: start, work: work, epoch),
            at: self.now + .seconds(3)
        )
    }

    private mutating func install(_ epoch: Epoch, _ history: [SimTransaction], on bit: NodeBit) {
        let index = self.node(bit)
        guard case .secondary(let secondary) = self.nodes[index].daemon?.failover.state,
            case .rejoining(let rejoining) = secondary.stage, rejoining.step == .copying,
            rejoining.epoch == epoch
        else { return }
        let removed = self.nodes[index].vault.replace(with: history)
        self.observe(.destroyed(bit, removed))
        self.tell(bit, .copied(self.nodes[index].vault.position, of: epoch))
    }
}
