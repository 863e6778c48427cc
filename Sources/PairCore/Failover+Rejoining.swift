/// How a secondary makes its content a prefix of the primary's history, without losing its own.
///
/// Every step is durable before the next: archive sealed, archive on the peer, content undone or
/// copied, lineage adopted. A crash anywhere starts again from what the vault then holds.
extension Failover {
    mutating func accept(_ offer: RejoinOffer, of statement: Statement) {
        if offer.rejoin.keepsContent {
            self.adopt(statement.epoch, statement.lineage)
            self.secondary.stage = .following
            self.emit(.followLog(of: statement.epoch))
            self.state(asProbe: false)
            return
        }
        var rejoining = Secondary.Rejoining(
            offer: offer,
            epoch: statement.epoch,
            lineage: statement.lineage
        )
        // Its content is not the primary's, so it must not promote itself until it is armed again.
        self.persist { Self.disarm(&$0, upTo: statement.arming.generation) }
        if offer.rejoin.sealsTail, !self.has(.dropTail) {
            rejoining.step = .sealing
            self.secondary.stage = .rejoining(rejoining)
            self.emit(.report(.divergence(offer.fork)))
            self.emit(.sealTail(after: offer.fork))
        } else {
            self.replaceContent(rejoining)
        }
        self.state(asProbe: false)
    }

    mutating func tailSealed(_ tail: NodeRecord.Tail) {
        guard case .secondary(let secondary) = self.state,
            case .rejoining(var rejoining) = secondary.stage, rejoining.step == .sealing
        else { return }
        self.persist { record in
            if !record.tails.contains(where: { $0.id == tail.id }) { record.tails.append(tail) }
        }
        rejoining.step = .copyingTail
        self.secondary.stage = .rejoining(rejoining)
        self.emit(.copyTail(tail.id))
    }

    mutating func tailCopied(_ id: String) {
        guard case .secondary(let secondary) = self.state,
            case .rejoining(let rejoining) = secondary.stage, rejoining.step == .copyingTail,
            self.record.tails.contains(where: { $0.id == id })
        else { return }
        self.replaceContent(rejoining)
    }

    private mutating func replaceContent(_ rejoining: Secondary.Rejoining) {
        var rejoining = rejoining
        if case .undoTail = rejoining.offer.rejoin, let fork = rejoining.offer.fork {
            rejoining.step = .undoing
            self.secondary.stage = .rejoining(rejoining)
            self.emit(.undo(to: fork))
        } else {
            // Half a copy is no vault: a node that starts with this flag takes a new one.
            self.persist { $0.isSeeding = true }
            rejoining.step = .copying
            self.secondary.stage = .rejoining(rejoining)
            self.emit(.takeCopy(of: rejoining.epoch))
        }
    }

    mutating func rolledBack(to position: Position) {
        guard case .secondary(let secondary) = self.state,
            case .rejoining(let rejoining) = secondary.stage, rejoining.step == .undoing
        else { return }
        self.position = position
        self.emit(.report(.rolledBack(position)))
        self.adopt(rejoining.epoch, rejoining.lineage)
        self.beginSearching()
    }

    mutating func copied(to position: Position, of epoch: Epoch) {
        guard case .secondary(let secondary) = self.state,
            case .rejoining(let rejoining) = secondary.stage, rejoining.step == .copying,
            rejoining.epoch == epoch
        else { return }
        self.move(to: position)
        self.adopt(rejoining.epoch, rejoining.lineage)
        self.beginSearching()
    }

    /// The content is a prefix of the primary's history: this node's history is the primary's.
    private mutating func adopt(_ epoch: Epoch, _ lineage: Lineage) {
        self.persist { record in
            record.isSeeding = false
            record.quarantineReason = nil
            record.epoch = epoch
            record.lineage = lineage
        }
    }

    private mutating func beginSearching() {
        self.secondary.stage = .searching
        self.secondary.nextProbe = self.clock.shortest
        self.state(asProbe: true)
    }
}
