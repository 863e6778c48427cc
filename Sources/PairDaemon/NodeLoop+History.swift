import Dispatch
import PairCore
import PairHost
import PairWire

// What has happened, as far as this node remembers.
extension NodeLoop {
    func tellHistory(_ call: OperatorCall) {
        let changes = self.history.changes.sorted { ($0.at, $0.epoch) < ($1.at, $1.epoch) }
        call.finish(.done, "", HistoryList(changes: changes))
    }

    /// Reads what earlier starts have seen, and catches up with the lineage.
    func loadHistory() {
        do {
            try self.history.load(at: WallTime(secondsSince1970: WallClock.seconds))
        } catch {
            self.shell.report(error, during: .state)
        }
        self.rememberChanges(by: nil)
    }

    /// The newest changes of the lineage, with what is known of them.
    func changes(last count: Int) -> [StatusReport.Change] {
        let entries = self.record.lineage.entries
        return entries.indices.suffix(count).map { index in
            self.history.change(entries[index]) ?? self.bareChange(at: index)
        }
    }

    /// What the lineage alone says of its entry.
    private func bareChange(at index: Int) -> StatusReport.Change {
        let entries = self.record.lineage.entries
        return StatusReport.Change(
            entries[index],
            ownerName: self.nodeName(entries[index].owner),
            from: index > 0 ? self.nodeName(entries[index - 1].owner) : nil
        )
    }

    /// A record has been made durable: what is new in its lineage goes into the history.
    func noteChanges(since old: NodeRecord) {
        guard self.record.lineage != old.lineage else { return }
        self.rememberChanges(by: old)
        self.noteLosses()
    }

    /// - Parameter old: the record before; it may name the operation that the newest change ends.
    private func rememberChanges(by old: NodeRecord?) {
        let entries = self.record.lineage.entries
        let former = old?.lineage.entries ?? []
        for (index, entry) in entries.enumerated()
        where !former.contains(entry) && self.history.change(entry) == nil {
            var change = self.bareChange(at: index)
            if entry == entries.last, let old, entry.cause.isAsked {
                let call = self.calls.values.first { $0.mayChangePrimary }
                let operation =
                    self.record.operation ?? old.operation ?? self.failover?.link.peer?.operation
                change.by = call?.by ?? self.handedOver?.by ?? operation?.by
                change.reason = call?.fields["reason"]
                change.pausedSeconds = self.handedOver?.pause?.inSeconds
                self.handedOver = nil
            }
            self.history.note(change)
        }
    }

    /// Adds what has come out about the newest change.
    func amendNewestChange(_ amend: (inout StatusReport.Change) -> Void) {
        guard let newest = self.record.lineage.entries.last,
            var change = self.history.change(newest)
        else { return }
        amend(&change)
        self.history.note(change)
    }

    /// Says of each change what only the former primary held, once that is in an archive here.
    func noteLosses() {
        for tail in self.tails {
            let fork = StatusReport.Place(tail.from)
            let owner = self.nodeName(tail.node)
            guard
                var change = self.history.changes.last(where: {
                    $0.fork.epoch == fork.epoch && $0.fork.txid == fork.txid && $0.owner != owner
                }), change.lostTransactions != tail.transactions
            else { continue }
            change.lostTransactions = tail.transactions
            self.history.note(change)
        }
    }

    /// After an event has had its effects, because applications may be waiting for those.
    func saveHistory() {
        do {
            try self.history.save()
        } catch {
            self.shell.report(error, during: .state)
        }
    }

    func tellEvents(_ call: OperatorCall, _ parameters: ControlCommand.Events) {
        call.finish(.done, "", EventList(events: self.shell.log.recent))
    }

    /// The configuration was read again: what the machine itself knows of it follows.
    func takeConfiguration() {
        // A machine that is made later reads it then.
        guard self.failover != nil else { return }
        self.tell(.configured(Failover.Configuration(self.shell.configuration)))
    }

    /// Evidence of not being the isolated one.
    func probeReach() {
        let shell = self.shell
        let addresses = shell.configuration.failover.reach.map { (host: $0.host, port: $0.port) }
        // Taken away since the machine asked: nobody is asked, so nothing is to be concluded.
        guard !addresses.isEmpty else { return shell.post(.reachProbed(answered: true)) }
        shell.probeQueue.async {
            shell.post(.reachProbed(answered: Reachability.anyAnswers(addresses)))
        }
    }
}
