import PairCore
import PairHost
import PairStore

/// What the health listener answers, computed at the moment of the question.
extension NodeShell {
    var health: Health {
        let facts = self.view.facts
        let now = self.now
        // The machine's own predicate, at this very moment: a lease may have ended since its turn.
        let isServing = facts.failover?.isServing(at: now) ?? false
        return Health(
            role: facts.role,
            state: facts.state,
            gate: facts.gate == .open && !isServing ? .closed : facts.gate,
            silence: self.view.silence(at: now)
        )
    }

    var gauges: [(Metrics.Series, Double)] {
        let facts = self.view.facts
        let values = self.figures.values
        let (residentBytes, processorTime) = Machine.usage()
        let now = self.now
        var gauges: [(Metrics.Series, Double)] = [
            (.init("build_info", labels: #"version="\#(Release.version)""#), 1),
            (.init("role", labels: #"role="\#(facts.role.rawValue)""#), 1),
            (.init("state", labels: #"state="\#(facts.state.rawValue)""#), 1),
            (.init("gate_open"), facts.gate == .open ? 1 : 0),
            (.init("epoch"), Double(facts.epoch.rawValue)),
            (.init("txid"), Double(self.vault.newestPosition?.txid.rawValue ?? 0)),
            (.init("peer_up"), self.view.isPeerUp ? 1 : 0),
            (.init("unprotected_transactions"), Double(values.durable.transactions)),
            (.init("unprotected_bytes"), Double(values.durable.byteCount)),
            (
                .init("replication_lag_seconds"),
                values.applied.since.map { (now - $0).inSeconds } ?? 0
            ),
            (.init("replication_lag_bytes"), Double(values.applied.byteCount)),
            (.init("log_retained_bytes"), Double(self.vault.log.byteCount)),
            (.init("process_resident_memory_bytes"), Double(residentBytes)),
            (.init("process_cpu_seconds_total"), processorTime.inSeconds),
        ]
        gauges += self.fileGauges
        if let heard = values.lastHeard {
            gauges.append((.init("peer_last_heard_seconds"), (now - heard).inSeconds))
        }
        if let copy = values.copy, copy.totalBytes > 0 {
            gauges.append(
                (.init("seed_progress_ratio"), Double(copy.doneBytes) / Double(copy.totalBytes))
            )
        }
        if let space = Machine.space(at: self.configuration.stateDirectory) {
            gauges.append((.init("storage_free_bytes"), Double(space.free)))
        }
        return gauges
    }

    private var fileGauges: [(Metrics.Series, Double)] {
        let path = self.configuration.vaultPath
        return [
            (.init("vault_bytes"), Double(Machine.byteCount(of: path))),
            (.init("wal_bytes"), Double(Machine.byteCount(of: path + "-wal"))),
            (.init("tails"), Double(self.view.tailCount)),
            (.init("guard_up"), 0),
        ]
    }
}
