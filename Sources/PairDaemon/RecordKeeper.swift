import PairCore
import PairStore
import Synchronization

/// Holds what the node remembers; a change is on the disk before anybody can see it.
final class RecordKeeper: Sendable {
    private let file: NodeStateFile
    private let record: Mutex<NodeRecord>

    init(file: NodeStateFile, record: NodeRecord) {
        self.file = file
        self.record = Mutex(record)
    }

    var current: NodeRecord { self.record.withLock { $0 } }

    /// Changes the record: writes it, syncs it, and only then lets it be seen.
    ///
    /// - Throws: what the disk said; the record is unchanged then.
    @discardableResult
    func update(_ change: (inout NodeRecord) -> Void) throws -> NodeRecord {
        try self.record.withLock { record in
            var changed = record
            change(&changed)
            guard changed != record else { return record }
            try self.file.store(changed)
            record = changed
            return changed
        }
    }
}
