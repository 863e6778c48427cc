/// Everything `pairctl status -o json` and `/v1/status` say, with the names they say it in.
///
/// A contract with scripts: keys are only ever added, and what is unknown is written as `null`,
/// never left out. Times are RFC 3339 in UTC, durations are seconds, sizes are bytes.
package struct StatusReport: Hashable, Sendable, Codable {
    package static let currentVersion = "paird.status/v1"

    package var apiVersion = StatusReport.currentVersion
    package var generatedAt: WallTime
    package var verdict: Verdict
    /// Why the verdict is what it is, and what else an operator should know, most important first.
    package var reasons: [String]
    /// The command to type next; `nil` when there is nothing to do.
    @NullWritten package var next: String?
    /// Timers below the product's ranges are in force.
    package var lab: Bool
    package var pair: Pair
    package var local: Node
    @NullWritten package var peer: Peer?
    package var replication: Replication
    package var failover: Failover
    @NullWritten package var seed: Seed?
    @NullWritten package var operation: Operation?
    /// The archives of divergent tails that nobody has disposed of.
    package var tails: [Tail]
    /// The last five changes of primary, oldest first.
    package var lineage: [Change]
    @NullWritten package var lastChange: LastChange?

    package init(
        generatedAt: WallTime,
        verdict: Verdict,
        reasons: [String],
        next: String?,
        lab: Bool,
        pair: Pair,
        local: Node,
        peer: Peer?,
        replication: Replication,
        failover: Failover,
        seed: Seed? = nil,
        operation: Operation? = nil,
        tails: [Tail] = [],
        lineage: [Change] = [],
        lastChange: LastChange? = nil
    ) {
        self.generatedAt = generatedAt
        self.verdict = verdict
        self.reasons = reasons
        self.next = next
        self.lab = lab
        self.pair = pair
        self.local = local
        self.peer = peer
        self.replication = replication
        self.failover = failover
        self.seed = seed
        self.operation = operation
        self.tails = tails
        self.lineage = lineage
        self.lastChange = lastChange
    }
}

extension StatusReport {
    package struct Pair: Hashable, Sendable, Codable {
        /// `nil` while the node is not paired.
        @NullWritten package var id: String?
        package var name: String
        package var epoch: UInt64
        package var policy: FailoverPolicy

        package init(id: PairID?, name: String, epoch: Epoch, policy: FailoverPolicy) {
            self.id = id?.description
            self.name = name
            self.epoch = epoch.rawValue
            self.policy = policy
        }
    }

    /// A position as scripts compare it: equal ones mean equal data.
    package struct Place: Hashable, Sendable, Codable, CustomStringConvertible {
        package var epoch: UInt64
        package var txid: UInt64
        /// 64 hexadecimal digits.
        package var digest: String

        package init(_ position: Position) {
            self.epoch = position.epoch.rawValue
            self.txid = position.txid.rawValue
            self.digest = position.digest.description
        }

        /// `epoch/txid`, as in `7/991823`.
        package var description: String { "\(self.epoch)/\(self.txid)" }
    }

    /// One of the two nodes; of the peer, as it last described itself.
    package struct Node: Hashable, Sendable, Codable {
        package var name: String
        package var id: String
        package var model: String
        @NullWritten package var version: String?
        @NullWritten package var role: Role?
        @NullWritten package var state: NodeState?
        @NullWritten package var gate: GateState?
        @NullWritten package var right: Right?
        @NullWritten package var position: Place?
        /// Random, new at every start of the daemon.
        @NullWritten package var bootId: String?
        /// `up` or `down`; `nil` where no guard is needed.
        @NullWritten package var `guard`: GuardState?
        @NullWritten package var longestWriteHoldSeconds: Double?

        package enum GuardState: String, Hashable, Sendable, Codable {
            case up
            case down
        }

        package init(
            name: String,
            id: NodeID,
            model: String,
            version: String? = nil,
            role: Role? = nil,
            state: NodeState? = nil,
            gate: GateState? = nil,
            right: Right? = nil,
            position: Position? = nil,
            bootID: String? = nil,
            guard: GuardState? = nil,
            longestWriteHold: Duration? = nil
        ) {
            self.name = name
            self.id = id.description
            self.model = model
            self.version = version
            self.role = role
            self.state = state
            self.gate = gate
            self.right = right
            self.position = position.map(Place.init)
            self.bootId = bootID
            self.guard = `guard`
            self.longestWriteHoldSeconds = longestWriteHold?.inSeconds
        }
    }

    /// The other node: the same keys as the local one and two more, in one JSON object.
    package struct Peer: Hashable, Sendable, Codable {
        package var node: Node
        /// HOST:PORT in use.
        package var address: String
        /// `nil` when nothing was heard since this daemon started.
        package var lastHeardSeconds: Double?

        package init(node: Node, address: String, lastHeard: Duration?) {
            self.node = node
            self.address = address
            self.lastHeardSeconds = lastHeard?.inSeconds
        }

        private enum CodingKeys: String, CodingKey {
            case address
            case lastHeardSeconds
        }

        package init(from decoder: any Decoder) throws {
            self.node = try Node(from: decoder)
            let container = try decoder.container(keyedBy: CodingKeys.self)
            self.address = try container.decode(String.self, forKey: .address)
            self.lastHeardSeconds = try container.decodeIfPresent(
                Double.self,
                forKey: .lastHeardSeconds
            )
        }

        package func encode(to encoder: any Encoder) throws {
            try self.node.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(self.address, forKey: .address)
            try container.encode(self.lastHeardSeconds, forKey: .lastHeardSeconds)
        }
    }

    /// How far the secondary is behind, and what would be lost with the primary now.
    package struct Replication: Hashable, Sendable, Codable {
        /// Committed on the primary and not yet readable on the secondary.
        @NullWritten package var lagTransactions: UInt64?
        @NullWritten package var lagBytes: UInt64?
        @NullWritten package var lagSeconds: Double?
        /// Committed on the primary and not known to be on the secondary's disk; never less than
        /// the truth.
        @NullWritten package var unprotectedTransactions: UInt64?
        @NullWritten package var unprotectedBytes: UInt64?
        /// When both sides last had the same digest at the same position.
        @NullWritten package var digestEqualAt: WallTime?
        @NullWritten package var lastVerifyAt: WallTime?
        @NullWritten package var lastVerifyDifferences: UInt64?

        package init(
            lagTransactions: UInt64? = nil,
            lagBytes: UInt64? = nil,
            lag: Duration? = nil,
            unprotectedTransactions: UInt64? = nil,
            unprotectedBytes: UInt64? = nil,
            digestEqualAt: WallTime? = nil,
            lastVerifyAt: WallTime? = nil,
            lastVerifyDifferences: UInt64? = nil
        ) {
            self.lagTransactions = lagTransactions
            self.lagBytes = lagBytes
            self.lagSeconds = lag?.inSeconds
            self.unprotectedTransactions = unprotectedTransactions
            self.unprotectedBytes = unprotectedBytes
            self.digestEqualAt = digestEqualAt
            self.lastVerifyAt = lastVerifyAt
            self.lastVerifyDifferences = lastVerifyDifferences
        }
    }
}

/// An optional whose absence is written as `null`, where the synthesised coding leaves it out.
///
/// A key that is missing reads as `nil`, so that a report of an older daemon still reads.
@propertyWrapper
package struct NullWritten<Value: Codable & Hashable & Sendable>: Hashable, Sendable, Codable {
    package var wrappedValue: Value?

    package init(wrappedValue: Value?) { self.wrappedValue = wrappedValue }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        self.wrappedValue = container.decodeNil() ? nil : try container.decode(Value.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let value = self.wrappedValue {
            try container.encode(value)
        } else {
            try container.encodeNil()
        }
    }
}

extension KeyedDecodingContainer {
    /// What the synthesised decoding calls for a ``NullWritten``: a missing key reads as `nil`.
    package func decode<Value>(
        _ type: NullWritten<Value>.Type,
        forKey key: Key
    ) throws -> NullWritten<Value> {
        NullWritten(wrappedValue: try self.decodeIfPresent(Value.self, forKey: key))
    }
}

extension Duration {
    /// The length in seconds, to the microsecond.
    package var inSeconds: Double {
        let (seconds, attoseconds) = self.components
        return Double(seconds) + Double(attoseconds / 1_000_000_000_000) / 1_000_000
    }
}
