import Glibc
package import PairCore
package import PairWAL

extension SegmentStore {
    /// Where a reader of the log has got to, between two segments.
    package struct Cursor: Hashable, Sendable {
        /// The last transaction that the reader has completely.
        package private(set) var txid: TXID
        /// The next part of the transaction that follows; 0 between transactions.
        package private(set) var part: UInt32 = 0

        package init(after txid: TXID) { self.txid = txid }

        /// Whether the reader is between two transactions and not inside one.
        package var isBoundary: Bool { self.part == 0 }

        /// Whether a segment is the one that follows.
        package func precedes(_ header: SegmentHeader) -> Bool {
            header.first.rawValue - 1 == self.txid.rawValue && header.partIndex == self.part
        }

        /// Takes note that the reader has a segment that follows.
        package mutating func advance(past header: SegmentHeader) {
            if header.isOpenPart {
                self.part = header.partIndex + 1
            } else {
                self = Cursor(after: header.last)
            }
        }
    }

    /// A closed transaction's place in the local WAL and in history.
    package struct Entry: Hashable, Sendable {
        package var anchor: WALAnchor
        package var position: Position

        package init(anchor: WALAnchor, position: Position) {
            self.anchor = anchor
            self.position = position
        }
    }

    /// Whether everything that follows `txid` is kept, from a boundary of segments on.
    package func contains(after txid: TXID) -> Bool { self.position(at: txid) != nil }

    /// The segments that follow `cursor`, in order.
    ///
    /// At least one if there is any; further ones while all together have at most `maxBytes`. Parts
    /// are returned as they are, so that a transaction of any size passes piece by piece. Parts
    /// whose closing part is not in the log yet are not returned.
    package func segments(
        after cursor: Cursor,
        maxBytes: Int
    ) throws(SegmentStoreError) -> [[UInt8]] {
        try self.exclusively { state throws(SegmentStoreError) in
            guard let start = state.start, let newest = state.newest,
                cursor.txid >= start.txid, cursor.txid <= newest.txid
            else { throw .notKept(after: cursor.txid) }
            var found: [[UInt8]] = []
            guard cursor.txid < newest.txid else { return found }
            var place = cursor
            var size = 0
            try state.walk(after: cursor.txid) {
                file,
                record,
                descriptor throws(SegmentStoreError) in
                let header = record.segment
                guard header.last > place.txid else { return .goOn }
                // Open parts at the end of the log wait for their closing part.
                guard header.first <= newest.txid else { return .stop }
                guard header.first == place.txid.next else { throw .notKept(after: place.txid) }
                guard place.precedes(header) else { return .goOn }
                size += header.segmentByteCount
                guard found.isEmpty || size <= maxBytes else { return .stop }
                guard let view = try file.checkedView(of: record, from: descriptor) else {
                    throw .damaged(path: file.path, byteOffset: record.offset)
                }
                found.append(view.bytes)
                place.advance(past: header)
                return .goOn
            }
            return found
        }
    }

    /// The position right after transaction `txid`, if the log holds it and a segment ends there.
    ///
    /// A log that cannot be read holds nothing.
    package func position(at txid: TXID) -> Position? {
        try? self.exclusively { state throws(SegmentStoreError) in
            if state.start?.txid == txid { return state.start }
            if state.newest?.txid == txid { return state.newest }
            guard let start = state.start, let newest = state.newest, txid > start.txid,
                txid < newest.txid
            else { return nil }
            var found: Position?
            let before = TXID(txid.rawValue - 1)
            try state.walk(after: before) { _, record, _ throws(SegmentStoreError) in
                guard record.segment.last >= txid else { return .goOn }
                guard let position = record.segment.position else { return .goOn }
                found = position.txid == txid ? position : nil
                return .stop
            }
            return found
        }
    }

    /// What a reader has yet to read.
    package struct Rest: Hashable, Sendable {
        /// Of the records, their headers included.
        package var byteCount: Int
        /// When the oldest of it was committed, in microseconds since 1970 on the primary's clock.
        package var commitTimeMicroseconds: Int64
    }

    /// What follows `txid`; `nil` when nothing does, or the log does not hold all of it.
    package func rest(after txid: TXID) -> Rest? {
        let rest = try? self.exclusively { state throws(SegmentStoreError) -> Rest? in
            guard let start = state.start, let newest = state.newest, txid >= start.txid,
                txid < newest.txid
            else { return nil }
            var found: Rest?
            try state.walk(after: txid) { file, record, _ throws(SegmentStoreError) in
                guard record.segment.last > txid else { return .goOn }
                let later = state.files.filter { $0.number > file.number }
                found = Rest(
                    byteCount: file.byteCount - record.offset
                        + later.reduce(0) { $0 + $1.byteCount },
                    commitTimeMicroseconds: record.segment.commitTimeMicroseconds
                )
                return .stop
            }
            return found
        }
        return rest ?? nil
    }

    /// Visits the newest segments in order, together of at most `maxBytes`, but for the newest of all.
    func readTail(
        maxBytes: Int,
        _ visit: (SegmentView) -> Void
    ) throws(SegmentStoreError) {
        try self.exclusively { state throws(SegmentStoreError) in
            var found: [(file: LogFile, record: LogFile.Record)] = []
            var size = 0
            for file in state.files.reversed() where size < maxBytes {
                var records: [(LogFile, LogFile.Record)] = []
                try Self.walk(file, from: 0) { _, record, _ throws(SegmentStoreError) in
                    records.append((file, record))
                    size += record.segment.segmentByteCount
                    return .goOn
                }
                found = records + found
            }
            for (index, entry) in found.enumerated() {
                guard size <= maxBytes || index == found.count - 1 else {
                    size -= entry.record.segment.segmentByteCount
                    continue
                }
                visit(try Self.view(of: entry.record, in: entry.file))
            }
        }
    }

    private static func view(
        of record: LogFile.Record,
        in file: LogFile
    ) throws(SegmentStoreError) -> SegmentView {
        var view: SegmentView?
        try self.walk(file, from: record.offset) {
            file,
            record,
            descriptor throws(SegmentStoreError) in
            view = try file.checkedView(of: record, from: descriptor)
            return .stop
        }
        guard let view else { throw .damaged(path: file.path, byteOffset: record.offset) }
        return view
    }

    /// The newest position at which the vault had this digest.
    ///
    /// A log that cannot be read holds nothing.
    package func position(withDigest digest: VaultDigest) -> Position? {
        if let newest = self.newest, newest.digest == digest { return newest }
        let entry = try? self.newestEntry { $0.position.digest == digest }
        return entry?.position ?? self.start.flatMap { $0.digest == digest ? $0 : nil }
    }

    /// The newest record of a closed transaction for which `matches` holds.
    package func newestEntry(
        where matches: (Entry) -> Bool
    ) throws(SegmentStoreError) -> Entry? {
        try self.exclusively { state throws(SegmentStoreError) in
            for file in state.files.reversed() {
                var newest: Entry?
                try SegmentStore.walk(file, from: 0) { _, record, _ throws(SegmentStoreError) in
                    guard let position = record.segment.position else { return .goOn }
                    let entry = Entry(anchor: record.anchor, position: position)
                    if matches(entry) { newest = entry }
                    return .goOn
                }
                if let newest { return newest }
            }
            return nil
        }
    }

    enum Step {
        case goOn
        case stop
    }

    typealias Visit = (LogFile, LogFile.Record, Int32) throws(SegmentStoreError) -> Step

    /// Visits the records of one file from `offset` on; answers whether the visitor wants more.
    @discardableResult
    static func walk(
        _ file: LogFile,
        from offset: Int,
        _ visit: Visit
    ) throws(SegmentStoreError) -> Step {
        let descriptor: Int32
        do throws(SystemFailure) {
            descriptor = try file.open()
        } catch {
            throw SegmentStoreError(error)
        }
        defer { close(descriptor) }
        var offset = offset
        while offset < file.byteCount {
            let record: LogFile.Record?
            do throws(SystemFailure) {
                record = try file.record(at: offset, from: descriptor)
            } catch {
                throw SegmentStoreError(error)
            }
            guard let record else { throw .damaged(path: file.path, byteOffset: offset) }
            guard try visit(file, record, descriptor) == .goOn else { return .stop }
            offset = record.end
        }
        return .goOn
    }
}

extension SegmentStore.State {
    /// Visits the records from about the one that follows `txid` on, over all files.
    func walk(after txid: TXID, _ visit: SegmentStore.Visit) throws(SegmentStoreError) {
        let first = self.files.lastIndex { ($0.first ?? TXID(.max)) <= txid.next } ?? 0
        for file in self.files[first...] {
            let offset = file.offset(before: txid.next)
            guard try SegmentStore.walk(file, from: offset, visit) == .goOn else { return }
        }
    }
}

extension LogFile {
    fileprivate func checkedView(
        of record: Record,
        from descriptor: Int32
    ) throws(SegmentStoreError) -> SegmentView? {
        do throws(SystemFailure) {
            return try self.view(of: record, from: descriptor)
        } catch {
            throw SegmentStoreError(error)
        }
    }
}
