import PairCore
import PairHost
import PairStore

// What is looked up or computed at the moment of a scrape.
extension NodeShell {
    var metricsPage: String {
        self.metrics.page(
            samples: self.standing + self.peerSamples + self.lag + self.storage + self.process,
            histograms: [.syncDuration: SyncTimes.histogram]
        )
    }

    private var standing: [Metrics.Sample] {
        let facts = self.view.facts
        let roles = Role.allCases.map { role in
            Metrics.Sample(.role, role.rawValue, value: role == facts.role ? 1 : 0)
        }
        let states = NodeState.allCases.map { state in
            Metrics.Sample(.state, state.rawValue, value: state == facts.state ? 1 : 0)
        }
        return roles + states + [
            Metrics.Sample(.buildInfo, Release.version, value: 1),
            Metrics.Sample(.gateOpen, value: self.health == .primary ? 1 : 0),
            Metrics.Sample(.guardUp, value: 0),
            Metrics.Sample(.writeHoldMax, value: (self.vault.longestWriteHold ?? .zero).inSeconds),
            Metrics.Sample(.epoch, value: Double(facts.epoch.rawValue)),
            Metrics.Sample(.txid, value: Double(self.vault.newestPosition?.txid.rawValue ?? 0)),
        ]
    }

    private var peerSamples: [Metrics.Sample] {
        let facts = self.view.facts
        let heard = self.figures.values.lastHeard ?? Instant(sinceStart: .zero)
        let silence = self.keeper.current.peer == nil ? .nan : (self.now - heard).inSeconds
        var untilPromotion = Double.infinity
        if let failover = facts.failover, case .secondary = failover.state,
            failover.record.arming.isArmed
        {
            let left = failover.record.policy.timeout - failover.silence
            untilPromotion = max(.zero, left).inSeconds
        }
        return [
            Metrics.Sample(.peerUp, value: self.view.isPeerUp ? 1 : 0),
            Metrics.Sample(.peerLastHeard, value: silence),
            Metrics.Sample(.secondsUntilPromotion, value: untilPromotion),
        ]
    }

    private var lag: [Metrics.Sample] {
        let values = self.figures.values
        let lag =
            values.applied.since.map { (self.now - $0).inSeconds }
            ?? (values.applied.transactions == 0 ? 0 : .nan)
        let progress = values.copy.map { copy in
            copy.totalBytes > 0 ? Double(copy.doneBytes) / Double(copy.totalBytes) : 0
        }
        return [
            Metrics.Sample(.lagSeconds, value: lag),
            Metrics.Sample(.lagBytes, value: Double(values.applied.byteCount)),
            Metrics.Sample(
                .unprotectedTransactions,
                value: Double(values.durable.transactions)
            ),
            Metrics.Sample(.unprotectedBytes, value: Double(values.durable.byteCount)),
            Metrics.Sample(.seedProgress, value: progress ?? .nan),
            Metrics.Sample(.verifyTimestamp, value: Double(self.view.verifiedAt)),
            Metrics.Sample(.tails, value: Double(self.view.tailCount)),
        ]
    }

    private var storage: [Metrics.Sample] {
        let configuration = self.configuration
        let path = configuration.vaultPath
        let folders = [configuration.stateDirectory, Self.folder(of: path)]
        let free = folders.compactMap { Machine.space(at: $0)?.free }.min()
        return [
            Metrics.Sample(.vaultBytes, value: Double(Machine.byteCount(of: path))),
            Metrics.Sample(.walBytes, value: Double(Machine.byteCount(of: path + "-wal"))),
            Metrics.Sample(.logRetainedBytes, value: Double(self.vault.log.byteCount)),
            Metrics.Sample(.storageFree, value: free.map { Double($0) } ?? .nan),
        ]
    }

    private static func folder(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "/"
    }

    private var process: [Metrics.Sample] {
        let usage = Machine.usage()
        return [
            Metrics.Sample(.processorTime, value: usage.processorTime.inSeconds),
            Metrics.Sample(.residentMemory, value: Double(usage.residentBytes)),
            Metrics.Sample(.virtualMemory, value: Double(usage.virtualBytes)),
            Metrics.Sample(.openDescriptors, value: Double(usage.openDescriptors)),
            Metrics.Sample(.startTime, value: Double(self.startedWallSeconds)),
        ]
    }
}
