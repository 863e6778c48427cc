/// Why an epoch began.
package enum EpochCause: String, Hashable, Sendable, Codable, CaseIterable {
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

    /// An operator asked for it.
    package var isAsked: Bool {
        switch self {
        case .enable, .switchover, .forced, .disable: true
        case .failover, .gap, .replaced, .resolution: false
        }
    }
}

/// One change of primary, as the history remembers it.
package struct LineageEntry: Hashable, Sendable, Codable {
    package var epoch: Epoch
    package var owner: NodeBit
    /// Where this epoch's history parts from the one before.
    package var fork: Position
    package var cause: EpochCause
    /// Seconds since 1970, to be shown, and to tell entries apart; never compared for order.
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

extension LineageEntry {
    /// Whether it is one change of primary, wherever it is remembered.
    ///
    /// Numbers of epochs alone do not tell: nodes that each served alone, before they were paired or
    /// after their pair was removed, may have counted alike, from the same position even. The time, which goes with an entry wherever it goes, is part of its
    /// name here; whether it is right, or later than another, does not matter.
    fileprivate func isSame(_ other: LineageEntry) -> Bool {
        self.epoch == other.epoch && self.fork == other.fork && self.cause == other.cause
            && self.wallSeconds == other.wallSeconds
    }
}

/// Which history this is: every change of primary since the vault was adopted, oldest first.
///
/// Only the newest ``longest`` are remembered: they go with every statement. A peer that follows
/// takes over the primary's lineage with each change, so two nodes have nearly all of theirs in
/// common; one that was away for so many changes that nothing is, has no common point with the
/// primary, and rejoins by page hashes with its vault sealed first.
package struct Lineage: Hashable, Sendable, Codable {
    package static let longest = 256

    package private(set) var entries: [LineageEntry]

    /// - Parameter entries: in rising order of epochs; the oldest are forgotten if there are too many.
    package init(_ entries: [LineageEntry] = []) {
        self.entries = Array(entries.suffix(Self.longest))
    }

    package static let empty = Lineage()

    /// The newest epoch; ``Epoch/none`` while there is none.
    package var epoch: Epoch { self.entries.last?.epoch ?? .none }

    /// There may have been entries before the first.
    private var hasForgotten: Bool { self.entries.count == Self.longest }

    /// Whether the epoch is one of this history's; one from before all that it remembers may be.
    package func contains(_ epoch: Epoch) -> Bool {
        if epoch == .none { return true }
        if self.hasForgotten, let oldest = self.entries.first, epoch < oldest.epoch { return true }
        return self.entries.contains { $0.epoch == epoch }
    }

    /// Whether all of `other` is part of this history: its newest change of primary is one of these.
    package func includes(_ other: Lineage) -> Bool {
        guard let newest = other.entries.last else { return true }
        return self.entries.contains(where: newest.isSame)
    }

    /// Whether the two histories ever were one; equal numbers of epochs alone do not say so.
    package func shares(_ other: Lineage) -> Bool {
        self.entries.contains { entry in
            other.entries.contains(where: entry.isSame)
        }
    }

    /// The epoch in which a transaction of this history was committed.
    ///
    /// Both nodes name a position by it, whatever epoch they have come to since.
    package func epoch(of txid: TXID) -> Epoch {
        self.entries.last { $0.fork.txid < txid }?.epoch ?? self.entries.first?.epoch ?? .none
    }

    /// Since what both know another vault was put in the place of this history's.
    package func isReplaced(against other: Lineage) -> Bool {
        self.entries.contains { entry in
            entry.cause == .replaced && !other.entries.contains(where: entry.isSame)
        }
    }

    /// Adds the newest entry; its epoch must be above all others.
    package mutating func append(_ entry: LineageEntry) {
        precondition(entry.epoch > self.epoch, "epoch \(entry.epoch) after \(self.epoch)")
        self.entries.append(entry)
        if self.entries.count > Self.longest { self.entries.removeFirst() }
    }

    /// Where `other` and this history part: the last position that both hold.
    ///
    /// - Returns: `nil` when neither lineage continues past the shared part, so nothing parts them.
    package func fork(from other: Lineage) -> Position? {
        var (one, two) = (self.entries[...], other.entries[...])
        // Either may have forgotten its beginning: both are read from where both remember.
        if other.hasForgotten, let first = two.first,
            let start = one.firstIndex(where: first.isSame)
        {
            one = one[start...]
        } else if self.hasForgotten, let first = one.first,
            let start = two.firstIndex(where: first.isSame)
        {
            two = two[start...]
        }
        while let mine = one.first, let theirs = two.first, mine.isSame(theirs) {
            one.removeFirst()
            two.removeFirst()
        }
        let (mine, theirs) = (one.first?.fork, two.first?.fork)
        return switch (mine, theirs) {
        case (nil, nil): nil
        case (let fork?, nil), (nil, let fork?): fork
        case (let one?, let two?): one.txid <= two.txid ? one : two
        }
    }
}
