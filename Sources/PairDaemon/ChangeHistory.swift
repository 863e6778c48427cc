import FoundationEssentials
package import PairCore
import PairStore

/// Every change of primary that this node has seen, with what it took, in the state folder.
///
/// One JSON object a line; a later line about the same change replaces the earlier one. The newest
/// 10,000 changes of the last five years are kept. Nothing is decided by it: the lineage in the node's
/// record says what happened, this says how.
package struct ChangeHistory {
    /// The oldest first.
    package private(set) var changes: [StatusReport.Change] = []
    private let file: LineFile
    private var lineCount = 0
    /// Noted, and not on the disk yet.
    private var unsaved: [StatusReport.Change] = []

    private static let mostChanges = 10_000
    private static let longestSeconds: Double = 5 * 365.25 * 86_400

    /// Nothing is known before ``load(at:)``.
    package init(directory: String) { self.file = LineFile(path: directory + "/history.jsonl") }

    /// Reads what earlier starts have seen, and lets go of what is too old.
    package mutating func load(at now: WallTime) throws {
        let lines = try self.file.lines()
        self.changes = []
        self.lineCount = lines.count
        let decoder = JSONDecoder()
        for line in lines {
            // A line that a crash has cut in two tells nothing any more.
            guard let change = try? decoder.decode(StatusReport.Change.self, from: Data(line))
            else { continue }
            self.take(change)
        }
        let kept = self.changes.filter { now.seconds(since: $0.at) <= Self.longestSeconds }
        self.changes = Array(kept.suffix(Self.mostChanges))
        if self.lineCount > 2 * max(self.changes.count, Self.mostChanges / 2) {
            try self.rewrite()
        }
    }

    /// What is known of a change that the lineage names; `nil` when nothing is.
    package func change(_ entry: LineageEntry) -> StatusReport.Change? {
        let fork = StatusReport.Place(entry.fork)
        return self.changes.last { $0.epoch == entry.epoch.rawValue && $0.fork == fork }
    }

    /// Takes note of a change, or of what has come out about one since; ``save()`` makes it durable.
    package mutating func note(_ change: StatusReport.Change) {
        self.take(change)
        if self.changes.count > Self.mostChanges { self.changes.removeFirst() }
        self.unsaved.removeAll { $0.epoch == change.epoch && $0.fork == change.fork }
        self.unsaved.append(change)
    }

    /// Makes durable what has been noted; what cannot be written is told until the daemon ends.
    package mutating func save() throws {
        guard !self.unsaved.isEmpty else { return }
        let lines = try self.unsaved.map { try Self.line($0) }
        self.unsaved = []
        try self.file.append(lines)
        self.lineCount += lines.count
        if self.lineCount > 2 * Self.mostChanges { try self.rewrite() }
    }

    private mutating func take(_ change: StatusReport.Change) {
        let known = self.changes.lastIndex { $0.epoch == change.epoch && $0.fork == change.fork }
        if let known { self.changes[known] = change } else { self.changes.append(change) }
    }

    private mutating func rewrite() throws {
        try self.file.replace(with: try self.changes.map { try Self.line($0) })
        self.lineCount = self.changes.count
    }

    private static func line(_ change: StatusReport.Change) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(change))
    }
}
