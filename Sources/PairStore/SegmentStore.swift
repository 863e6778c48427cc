import Glibc
package import PairCore
package import PairWAL
import Synchronization

/// The retained log: the segments that led to the present state of the vault, oldest first.
///
/// Both nodes keep one: the primary to bring its peer level, the secondary to do the same once it has
/// been promoted, and to find its own position again by the digest of its vault. The records form
/// one chain: each transaction follows the one before by TXID and by digest. What breaks the
/// chain is not kept.
///
/// Nothing is synced by itself: a lost end of the log costs a comparison of the vaults, never data.
/// ``sync()`` is there for whoever needs more. Thread-safe; every call may block on the disk.
package final class SegmentStore: Sendable {
    package let directory: String
    let retentionByteCount: Int
    let retentionAge: Duration
    private let state: Mutex<State>

    struct State {
        /// In rising order of numbers; only the last one is appended to.
        var files: [LogFile] = []
        /// Before the first record; `nil` until something is known about the vault's history.
        var start: Position?
        /// After the last closed transaction.
        var newest: Position?
        var openParts: OpenParts?
        /// Where the vault was before the log began anew, in rising order.
        var passed: [SegmentStore.Passed] = []
        var nextNumber: UInt64 = 1
        /// Of the newest file, or -1.
        private(set) var descriptor: Int32 = -1
        var hasUnsyncedName = false
    }

    /// The beginning of a transaction whose closing part is not there yet.
    struct OpenParts {
        var nextIndex: UInt32
        var first: SegmentHeader
        /// Where to cut if the rest never comes.
        var offset: Int
    }

    /// A file is closed once it has this size and the transaction in it is complete.
    static let fileByteCount = 64 << 20

    /// Opens the log in `directory`, which is made if its parent exists.
    ///
    /// Checks the headers of all records and every byte of the newest file, and cuts off what does
    /// not continue the chain: the end that a crash tore, or everything before a damaged place.
    package init(
        directory: String,
        retentionBytes: Int,
        retentionAge: Duration
    ) throws(SegmentStoreError) {
        self.directory = directory
        self.retentionByteCount = retentionBytes
        self.retentionAge = retentionAge
        do throws(SystemFailure) {
            if mkdir(directory, 0o700) != 0, errno != EEXIST {
                throw SystemFailure("mkdir", directory)
            }
            self.state = Mutex(try Self.load(directory))
        } catch {
            throw SegmentStoreError(error)
        }
    }

    deinit {
        self.state.withLock { $0.closeNewest() }
    }

    /// Where the log ends; `nil` when nothing was ever appended and no start was given.
    package var newest: Position? { self.state.withLock { $0.newest } }

    /// The position before the first record.
    package var start: Position? { self.state.withLock { $0.start } }

    package var span: (after: TXID, through: TXID)? {
        self.state.withLock { state in
            guard let start = state.start, let newest = state.newest else { return nil }
            return (start.txid, newest.txid)
        }
    }

    /// How many bytes the log takes on the disk.
    package var byteCount: Int {
        self.state.withLock { $0.files.reduce(0) { $0 + $1.byteCount } }
    }

    /// Adds a segment that continues the log.
    ///
    /// The first part of a transaction drops the parts of one that was never closed.
    ///
    /// - Parameters:
    ///   - segment: complete and checked by the caller.
    ///   - anchor: the local WAL's, once the segment is in it.
    package func append(
        _ segment: [UInt8],
        anchor: WALAnchor
    ) throws(SegmentStoreError) {
        let header: SegmentHeader
        do throws(SegmentError) {
            header = try SegmentHeader(decoding: segment[...])
        } catch {
            throw .badSegment(error)
        }
        let bytes = LogFile.encodeHeader(segmentByteCount: segment.count, anchor: anchor) + segment
        try self.exclusively { state throws(SegmentStoreError) in
            try self.admit(header, &state)
            do throws(SystemFailure) {
                try self.write(bytes, header, anchor, &state)
            } catch {
                throw SegmentStoreError(error)
            }
        }
    }

    /// Makes everything appended so far survive a loss of power.
    package func sync() throws(SegmentStoreError) {
        try self.exclusively { state throws(SegmentStoreError) in
            do throws(SystemFailure) {
                try self.sync(&state)
            } catch {
                throw SegmentStoreError(error)
            }
        }
    }

    func exclusively<Value>(
        _ body: (inout State) throws(SegmentStoreError) -> sending Value
    ) throws(SegmentStoreError) -> sending Value {
        try self.state.withLock { state throws(SegmentStoreError) in try body(&state) }
    }

    // MARK: appending

    private func admit(
        _ header: SegmentHeader,
        _ state: inout State
    ) throws(SegmentStoreError) {
        if header.partIndex > 0 {
            guard let parts = state.openParts else {
                throw .partOutOfOrder(expected: 0, actual: header.partIndex)
            }
            guard parts.continues(header) else {
                throw .partOutOfOrder(expected: parts.nextIndex, actual: header.partIndex)
            }
            return
        }
        do throws(SystemFailure) {
            try self.dropOpenParts(&state)
        } catch {
            throw SegmentStoreError(error)
        }
        guard let newest = state.newest else {
            // A log that knows nothing begins before whatever comes first.
            let start = Position(
                epoch: header.epoch,
                txid: TXID(header.first.rawValue - 1),
                digest: header.digestBefore
            )
            do throws(SystemFailure) {
                try self.writeStart(start, firstNumber: state.nextNumber)
            } catch {
                throw SegmentStoreError(error)
            }
            state.start = start
            state.newest = start
            return
        }
        guard Self.continues(newest, header) else {
            throw .notContiguous(
                newest: newest,
                segment: header.first,
                digestBefore: header.digestBefore
            )
        }
    }

    private func write(
        _ bytes: [UInt8],
        _ header: SegmentHeader,
        _ anchor: WALAnchor,
        _ state: inout State
    ) throws(SystemFailure) {
        let isFull = (state.files.last?.byteCount ?? .max) >= Self.fileByteCount
        if isFull, state.openParts == nil { try self.beginFile(&state) }
        try state.openNewest()
        let index = state.files.count - 1
        let offset = state.files[index].byteCount
        let path = state.files[index].path
        do throws(SystemFailure) {
            try DurableFile.write(bytes[...], to: state.descriptor, at: offset, path: path)
        } catch {
            // What was half written is overwritten by the next record or cut at the next start.
            _ = ftruncate(state.descriptor, off_t(offset))
            throw error
        }
        state.files[index].byteCount = offset + bytes.count
        state.files[index].lastAppended = Self.now()
        state.files[index].note(
            LogFile.Record(offset: offset, anchor: anchor, segment: header)
        )
        state.note(header, at: offset)
    }

    private func beginFile(_ state: inout State) throws(SystemFailure) {
        try self.sync(&state)
        state.closeNewest()
        guard let before = state.newest else { preconditionFailure("a log without a start") }
        let file = LogFile(
            number: state.nextNumber,
            in: self.directory,
            before: before,
            byteCount: 0,
            lastAppended: Self.now()
        )
        try state.begin(file)
    }

    func sync(_ state: inout State) throws(SystemFailure) {
        guard let file = state.files.last else { return }
        try state.openNewest()
        guard SyncTimes.syncData(state.descriptor) == 0 else {
            throw SystemFailure("fdatasync", file.path)
        }
        guard state.hasUnsyncedName else { return }
        try DurableFile.syncFolder(of: file.path)
        state.hasUnsyncedName = false
    }

    /// Cuts off the beginning of a transaction that will not be finished.
    func dropOpenParts(_ state: inout State) throws(SystemFailure) {
        guard let parts = state.openParts, let file = state.files.last else { return }
        guard ftruncate(state.descriptor, off_t(parts.offset)) == 0 else {
            throw SystemFailure("ftruncate", file.path)
        }
        state.files[state.files.count - 1].truncate(at: parts.offset)
        state.openParts = nil
    }

    static func continues(_ newest: Position, _ header: SegmentHeader) -> Bool {
        newest.txid.rawValue < UInt64.max && header.first == newest.txid.next
            && header.digestBefore == newest.digest && header.epoch >= newest.epoch
    }

    /// Since an arbitrary moment, also while the machine sleeps.
    static func now() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}

extension SegmentStore.OpenParts {
    func continues(_ header: SegmentHeader) -> Bool {
        header.partIndex == self.nextIndex && header.first == self.first.first
            && header.epoch == self.first.epoch && header.kind == self.first.kind
            && header.pageSize == self.first.pageSize
            && header.digestBefore == self.first.digestBefore
    }
}

extension SegmentStore.State {
    /// Opens the newest file unless it is open; what lies beyond its end is cut off.
    mutating func openNewest() throws(SystemFailure) {
        guard self.descriptor < 0, let file = self.files.last else { return }
        let descriptor = try file.open(O_RDWR)
        guard ftruncate(descriptor, off_t(file.byteCount)) == 0 else {
            let failure = SystemFailure("ftruncate", file.path)
            close(descriptor)
            throw failure
        }
        self.descriptor = descriptor
    }

    /// To be called before another file, or none, becomes the newest.
    ///
    /// Nothing is ever written by the number of a file that was closed: it may be another's.
    mutating func closeNewest() {
        if self.descriptor >= 0 { close(self.descriptor) }
        self.descriptor = -1
    }

    /// Makes `file`, which is not there yet, the newest; the one before is closed.
    mutating func begin(_ file: LogFile) throws(SystemFailure) {
        self.descriptor = try file.open(O_RDWR | O_CREAT | O_TRUNC)
        self.hasUnsyncedName = true
        self.nextNumber += 1
        self.files.append(file)
    }

    /// Takes note of a record that was found or made to continue the log.
    mutating func note(_ header: SegmentHeader, at offset: Int) {
        if let position = header.position {
            self.newest = position
            self.openParts = nil
        } else if header.partIndex == 0 {
            self.openParts = SegmentStore.OpenParts(nextIndex: 1, first: header, offset: offset)
        } else {
            self.openParts?.nextIndex += 1
        }
    }
}

extension SegmentStoreError {
    init(_ failure: SystemFailure) {
        self = .system(call: failure.call, path: failure.path, code: failure.code)
    }
}
