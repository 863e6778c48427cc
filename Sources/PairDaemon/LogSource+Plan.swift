import PairCore
import PairNet
import PairStore
import PairWire
import Synchronization

extension LogSource {
    /// Decides how the secondary gets what it asked for, tells it, and starts.
    func answer(_ request: LogMessage.Request) {
        // It was meant for the end that stands here now, and is asked again on another connection.
        guard self.state.withLock({ $0.phase != .closed }) else { return self.connection.close() }
        guard let captured = self.terms.vault.captured else {
            return self.fail("the vault is not being captured")
        }
        switch self.way(for: request) {
        case .refuse(let reason):
            self.post(.plan(self.plan(.refuse(reason), at: captured, pages: 0)))
            self.report(.failed(reason))
        case .stream(let position):
            let plan = self.plan(.stream(after: position), at: position, pages: 0)
            let begins = self.state.withLock { state in
                guard state.phase != .closed else { return false }
                state.cursor = SegmentStore.Cursor(after: position.txid)
                state.phase = .behind
                self.post(.plan(plan))
                return true
            }
            guard begins else { return self.connection.close() }
            self.report(.planned(plan))
            self.pump()
        case .delta: self.beginCopy(.delta)
        case .seed: self.beginCopy(.seed)
        case nil: break
        }
    }

    func plan(_ way: LogMessage.Plan.Way, at position: Position, pages: UInt32) -> LogMessage.Plan {
        LogMessage.Plan(
            way: way,
            epoch: self.terms.epoch,
            pageSize: self.terms.pageSize,
            position: position,
            pageCount: pages
        )
    }

    /// What a wish comes to; whether it is the right one has been decided before.
    ///
    ///     wish    its vault             in our log  answer
    ///     stream  –                     yes         stream
    ///     stream  –                     no          refuse: it must ask how to rejoin again
    ///     copy    missing, no tables    –           seed
    ///     copy    the same page size    –           delta
    ///     copy    another page size     –           refuse
    private func way(for request: LogMessage.Request) -> LogMessage.Plan.Way? {
        switch request.wish {
        case .nothing: return nil
        case .stream(let position):
            let log = self.terms.vault.log
            guard let known = log.position(at: position.txid), known.digest == position.digest,
                log.contains(after: position.txid)
            else { return .refuse("the log no longer holds what follows \(position)") }
            return .stream(after: known)
        case .copy: break
        }
        switch request.content {
        case .missing, .withoutTables: return .seed
        case .unusable: return .refuse("the secondary's vault cannot be used; see its status")
        case .withTables(let size) where size != self.terms.pageSize:
            return .refuse(
                "the secondary's pages have \(size.byteCount) bytes, the primary's "
                    + "\(self.terms.pageSize.byteCount); move the secondary's vault aside and "
                    + "restart its paird"
            )
        case .withTables: return .delta
        }
    }
}
