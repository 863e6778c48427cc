import PairCore
import PairNet
import PairStore
import PairWire
import Synchronization

extension LogSource {
    /// Decides how the secondary comes level, tells it, and starts.
    func answer(_ request: LogMessage.Request) {
        guard let captured = self.terms.vault.captured else {
                return self.fail("the vault is not being captured")
            }
            switch self.way(for: request, captured) {
            case .refuse(let reason):
                self.post(.plan(self.plan(.refuse(reason), at: captured, pages: 0)))
                self.report(.failed(reason))
            case .stream(let position):
                let plan = self.plan(.stream(after: position), at: position, pages: 0)
                self.state.withLock { state in
                    state.cursor = SegmentStore.Cursor(after: position.txid)
                    state.phase = .behind
                    self.post(.plan(plan))
                }
                self.report(.planned(plan))
                self.pump()
            case .delta: self.beginCopy(.delta)
            case .seed: self.beginCopy(.seed)
            }
    }

    func plan(_ way: LogMessage.Plan.Way, at position: Position, pages: UInt32) -> LogMessage.Plan {
        LogMessage.Plan(
            way: way, vault: self.terms.vaultID, lineage: self.terms.lineage,
            pageSize: self.terms.pageSize, position: position, pageCount: pages)
    }

    /// The secondary's way back (protocol.md's table of rejoining, the rows without a fork).
    ///
    ///     its vault      its position             log kept  answer
    ///     another one    –                        –         refuse
    ///     missing/empty  –                        –         seed
    ///     other pages    –                        –         refuse
    ///     ours           ahead of the primary     –         refuse: the primary went back
    ///     ours           in our log, equal digest yes       stream
    ///     ours           in our log, equal digest no        delta
    ///     ours           unknown                  –         delta
    private func way(
        for request: LogMessage.Request, _ captured: Position
    ) -> LogMessage.Plan.Way {
        if let vault = request.vault, vault != self.terms.vaultID {
            return .refuse(
                "the secondary holds another vault (\(vault)); on the primary: "
                    + "pairctl enable-ha --discard-peer-vault")
        }
        guard request.lineage.epoch <= self.terms.lineage.epoch else {
            return .refuse(
                "the secondary knows epoch \(request.lineage.epoch), "
                    + "the primary only \(self.terms.lineage.epoch)")
        }
        let log = self.terms.vault.log
        if let found = request.position.map({ $0.digest }) ?? request.scannedDigest,
            let position = log.position(withDigest: found), log.contains(after: position.txid)
        {
            return .stream(after: position)
        }
        switch request.content {
        case .missing, .withoutTables: return .seed
        case .unusable(let reason): return .refuse("the secondary's vault cannot be used: \(reason)")
        case .withTables(let size) where size != self.terms.pageSize:
            return .refuse(
                "the secondary's pages have \(size.byteCount) bytes, "
                    + "the primary's \(self.terms.pageSize.byteCount)")
        case .withTables: break
        }
        if let position = request.position, position.epoch == captured.epoch,
            position.txid > captured.txid
        {
            return .refuse(
                "the secondary is at \(position), ahead of the primary at \(captured): "
                    + "the primary's vault went back to an earlier state")
        }
        return .delta
    }
}
