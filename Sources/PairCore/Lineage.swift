/// Why an epoch began.
package enum EpochCause: String, Hashable, Sendable, Codable {
    case enable
    case switchover
    case failover
    case forced
    /// Continuity with the recorded position could not be proven.
    case gap
    /// Another vault, or an older state, was found where the served one had been.
    case replaced
    /// The survivor of two primaries went on.
    case resolution
    /// HA was switched off; this node serves alone.
    case disable
}

/// One change of primary, as the history remembers it.
package struct LineageEntry: Hashable, Sendable, Codable {
    package var epoch: Epoch
    package var owner: NodeBit
    /// Where this epoch's history parts from the one before.
    package var fork: Position
    package var cause: EpochCause
    /// Seconds since 1970, for display only.
    package var wallSeconds: Int64

    package init(
        epoch: Epoch,
        owner: NodeBit,
        fork: Position,
        cause: EpochCause,
        wallSeconds: Int64
    ) {
        self.epoch = epoch
        self.owner = owner
        self.fork = fork
        self.cause = cause
        self.wallSeconds = wallSeconds
    }
}

/// Which history this is: every change of primary since the vault was adopted, oldest first.
package struct Lineage: Hashable, Sendable, Codable {
    package private(set) var entries: [LineageEntry]

    /// - Parameter entries: in rising order of epochs.
    package init(_ entries: [LineageEntry] = []) { self.entries = entries }

    package static let empty = Lineage()

    /// The newest epoch; ``Epoch/none`` while there is none.
    package var epoch: Epoch { self.entries.last?.epoch ?? .none }

    package func contains(_ epoch: Epoch) -> Bool {
        epoch == .none || self.entries.contains { $0.epoch == epoch }
    }

    /// Whether all of `other` is part of this history: its newest change of primary is one of these.
    package func includes(_ other: Lineage) -> Bool {
        guard let newest = other.entries.last else { return true }
        return self.entries.contains { $0.epoch == newest.epoch && $0.fork == newest.fork }
    }

    /// Whether the two histories ever were one; equal numbers of epochs alone do not say so.
    package func shares(_ other: Lineage) -> Bool {
        self.entries.contains { entry in
            other.entries.contains { $0.epoch == entry.epoch && $0.fork == entry.fork }
        }
    }

    /// The epoch in which a transaction of this history was committed.
    ///
    /// Both nodes name a position by it, whatever epoch they have come to since.
    package func epoch(of txid: TXID) -> Epoch {
        self.entries.last { $0.fork.txid < txid }?.epoch ?? self.entries.first?.epoch ?? .none
    }

    /// Adds the newest entry; its epoch must be above all others.
    package mutating func append(_ entry: LineageEntry) {
        precondition(entry.epoch > self.epoch, "epoch \(entry.epoch) after \(self.epoch)")
        self.entries.append(entry)
    }

    /// Where `other` and this history part: the last position that both hold.
    ///
    /// - Returns: `nil` when neither lineage continues past the shared part, so nothing parts them.
    package func fork(from other: Lineage) -> Position? {
        var shared = 0
        while shared < min(self.entries.count, other.entries.count),
            self.entries[shared].epoch == other.entries[shared].epoch,
            self.entries[shared].fork == other.entries[shared].fork
        {
            shared += 1
        }
        let mine = shared < self.entries.count ? self.entries[shared].fork : nil
        let theirs = shared < other.entries.count ? other.entries[shared].fork : nil
        return switch (mine, theirs) {
        case (nil, nil): nil
        case (let fork?, nil), (nil, let fork?): fork
        case (let one?, let two?): one.txid <= two.txid ? one : two
        }
    }
}
