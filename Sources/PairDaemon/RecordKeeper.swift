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

    /// Writes the record, syncs it, and only then lets it be seen.
    ///
    /// - Throws: what the disk said; the old record stays then.
    func store(_ changed: NodeRecord) throws(NodeStateError) {
        try self.record.withLock { record throws(NodeStateError) in
            guard changed != record else { return }
            try self.file.store(changed)
            record = changed
        }
    }
}
