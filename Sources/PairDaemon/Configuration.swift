package import PairCore

/// What `paird.yaml` says, checked: a value of this type can be used without another look.
package struct Configuration: Hashable, Sendable {
    package var pairName = "pair"
    /// `nil`: the host's name.
    package var nodeName: String?
    /// `nil`: the machine's product name.
    package var model: String?
    package var vaultPath = ""
    package var stateDirectory = "/var/lib/paird"
    package var replicationListener = HostPort(host: "0.0.0.0", port: 5022)
    package var healthListener = HostPort(host: "0.0.0.0", port: 5023)
    /// Empty: as learnt when pairing.
    package var peerAddresses: [HostPort] = []
    package var failover = Failover()
    package var logRetention = LogRetention()
    /// Bytes per second while seeding; `nil` without limit.
    package var maxRate: UInt64?
    package var lossBudget: LossBudget?
    package var stallLimit: Duration = .seconds(60)
    /// Whether `/v1/status` answers on the health listener.
    package var healthDetail = false
    package var control = Control()
    package var log = Log()
    package var lab: Lab?

    /// The defaults, without a vault.
    package init() {}

    package struct Failover: Hashable, Sendable {
        package var policy: FailoverPolicy = .available
        package var timeout: Duration = .seconds(14 * 60)
        package var onDivergence: OnDivergence = .auto
        /// None of them answering means that this node is the isolated one.
        package var reach: [HostPort] = []

        package init() {}
    }

    package enum OnDivergence: String, Hashable, Sendable, CaseIterable {
        case auto
        case hold
    }

    package struct LogRetention: Hashable, Sendable {
        package var byteCount: UInt64 = 2 << 30
        package var age: Duration = .seconds(24 * 3600)

        package init() {}
    }

    /// Writers wait while more than this is unacknowledged; `nil` is no limit of that kind.
    package struct LossBudget: Hashable, Sendable {
        package var transactions: UInt64?
        package var byteCount: UInt64?
        package var age: Duration?
        package var maxWait: Duration = .seconds(2)

        package init() {}
    }

    package struct Control: Hashable, Sendable {
        package var socket = "/run/paird/control.sock"
        package var adminGroup = "paird-admin"
        package var monitorGroup = "paird-monitor"

        package init() {}
    }

    package struct Log: Hashable, Sendable {
        package var level: Level = .info
        package var format: Format = .auto

        package init() {}

        package enum Level: String, Hashable, Sendable, CaseIterable {
            case trace
            case debug
            case info
            case notice
            case warning
            case error
        }

        package enum Format: String, Hashable, Sendable, CaseIterable {
            case auto
            case text
            case json
        }
    }

    /// Timers below the product's ranges; only with `--lab`.
    package struct Lab: Hashable, Sendable {
        package var heartbeat: Duration
        package var timeout: Duration

        package init(heartbeat: Duration, timeout: Duration) {
            self.heartbeat = heartbeat
            self.timeout = timeout
        }
    }

    package var timers: Timers {
        if let lab = self.lab {
            Timers(labHeartbeat: lab.heartbeat, timeout: lab.timeout)
        } else {
            Timers(timeout: self.failover.timeout)
        }
    }
}

extension Configuration {
    /// The keys whose new value needs a restart; the others take effect at once.
    ///
    /// - Parameter running: what the daemon was started with.
    package func keysNeedingRestart(comparedWith running: Configuration) -> [String] {
        let compared: [(key: String, isEqual: Bool)] = [
            ("pair.name", self.pairName == running.pairName),
            ("node.name", self.nodeName == running.nodeName),
            ("node.model", self.model == running.model),
            ("vault.path", self.vaultPath == running.vaultPath),
            ("state.dir", self.stateDirectory == running.stateDirectory),
            ("listen.replication", self.replicationListener == running.replicationListener),
            ("listen.health", self.healthListener == running.healthListener),
            ("peer.addresses", self.peerAddresses == running.peerAddresses),
            ("failover.policy", self.failover.policy == running.failover.policy),
            (
                "failover.on_divergence",
                self.failover.onDivergence == running.failover.onDivergence
            ),
            ("replication.log_retention", self.logRetention == running.logRetention),
            ("storage.stall_limit", self.stallLimit == running.stallLimit),
            ("health.detail", self.healthDetail == running.healthDetail),
            ("control", self.control == running.control),
            ("lab.heartbeat", self.lab?.heartbeat == running.lab?.heartbeat),
        ]
        return compared.filter { !$0.isEqual }.map(\.key)
    }

    /// This configuration as far as it can take effect without a restart.
    package func reloaded(over running: Configuration) -> Configuration {
        var result = running
        result.log = self.log
        result.failover.reach = self.failover.reach
        result.failover.timeout = self.failover.timeout
        if self.lab?.heartbeat == running.lab?.heartbeat { result.lab = self.lab }
        result.maxRate = self.maxRate
        result.lossBudget = self.lossBudget
        return result
    }
}
