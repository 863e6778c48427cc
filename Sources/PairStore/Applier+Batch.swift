import PairCore
import PairWAL

extension Applier {
    /// Applies whole segments as one commit.
    func apply(_ batch: ArraySlice<SegmentView>, _ state: inout State) throws(VaultError) {
        // Parts that were never closed are forgotten here, as the log forgets them.
        state.parts = nil
        var pages = state.pages
        let position = try Self.check(batch, after: state.position, &pages, state.hasher)
        try state.appender.begin()
        try Self.layOut(batch, pageCount: pages.pageCount, &state)
        if !state.appender.isEmpty { state.appender.seal(pagesAfter: pages.pageCount) }
        try self.record(batch, state)
        try Self.commit(&state)
        state.pages = pages
        state.position = position
    }

    /// Applies one part of a transaction; readers see nothing of it before the closing one.
    func apply(part view: SegmentView, _ state: inout State) throws(VaultError) {
        let header = view.header
        var parts: Parts
        if header.partIndex == 0 {
            try Self.checkOrder(header, after: state.position, state.pages)
            parts = Parts(first: header, nextIndex: 0, pending: PendingPages())
            try state.appender.begin()
        } else {
            guard let begun = state.parts, begun.isContinued(by: header) else {
                throw .outOfOrder(
                    expected: state.position?.txid.next ?? .zero,
                    found: header.first
                )
            }
            parts = begun
        }
        state.parts = nil
        for record in view.records {
            try view.withPage(of: record) { image throws(VaultError) in
                parts.pending.set(record.page, state.hasher.hash(record.page, image))
                try Self.append(record.page, image, &state.appender)
            }
        }
        parts.nextIndex += 1
        var pages = state.pages
        if !header.isOpenPart {
            guard parts.pending.endCommit(pagesAfter: header.pagesAfter, in: &pages) else {
                throw .segment(.badField(.pagesAfter))
            }
            guard pages.digest == header.digestAfter else {
                throw .digestMismatch(
                    txid: header.last,
                    expected: header.digestAfter,
                    found: pages.digest
                )
            }
            state.appender.seal(pagesAfter: header.pagesAfter)
        }
        try self.record([view], state)
        guard !header.isOpenPart else {
            state.parts = parts
            return
        }
        try Self.commit(&state)
        state.pages = pages
        state.position = header.position
    }

    // MARK: 1, checking

    /// Checks that segments follow `position` and lead where they say.
    ///
    /// - Parameter pages: becomes the map of the state after the last one.
    private static func check(
        _ batch: ArraySlice<SegmentView>,
        after position: Position?,
        _ pages: inout PageMap,
        _ hasher: PageHasher
    ) throws(VaultError) -> Position? {
        var position = position
        for view in batch {
            let header = view.header
            try self.checkOrder(header, after: position, pages)
            var pending = PendingPages()
            for record in view.records {
                let hash = view.withPage(of: record) { hasher.hash(record.page, $0) }
                pending.set(record.page, hash)
                guard let pagesAfter = record.pagesAfter else { continue }
                guard pending.endCommit(pagesAfter: pagesAfter, in: &pages) else {
                    throw .segment(.badField(.pagesAfter))
                }
            }
            guard pages.pageCount == header.pagesAfter else {
                throw .segment(.badField(.pagesAfter))
            }
            guard pages.digest == header.digestAfter else {
                throw .digestMismatch(
                    txid: header.last,
                    expected: header.digestAfter,
                    found: pages.digest
                )
            }
            position = header.position
        }
        return position
    }

    private static func checkOrder(
        _ header: SegmentHeader,
        after position: Position?,
        _ pages: PageMap
    ) throws(VaultError) {
        guard let position, header.first == position.txid.next, header.epoch >= position.epoch
        else {
            throw .outOfOrder(expected: position?.txid.next ?? .zero, found: header.first)
        }
        guard header.pageSize == pages.pageSize else { throw .segment(.badField(.pageSize)) }
        guard header.digestBefore == pages.digest else {
            throw .digestMismatch(
                txid: position.txid,
                expected: header.digestBefore,
                found: pages.digest
            )
        }
    }

    // MARK: 2, the log

    /// Puts the records into the log and syncs it; only the last one has a place in the WAL.
    private func record(_ batch: ArraySlice<SegmentView>, _ state: State) throws(VaultError) {
        do throws(SegmentStoreError) {
            for (index, view) in batch.enumerated() {
                let isLast = index == batch.count - 1 && !view.header.isOpenPart
                try self.log.append(
                    view.bytes,
                    anchor: isLast ? state.appender.sealedAnchor : .none
                )
            }
            if batch.last?.header.isOpenPart == false { try self.log.sync() }
        } catch {
            throw .log(error)
        }
    }

    // MARK: 3 and 4, the WAL

    private static func commit(_ state: inout State) throws(VaultError) {
        guard !state.appender.isEmpty else { return }
        try state.appender.sync()
        try state.appender.publish()
    }

    /// Writes the last version of each page that the batch leaves in the vault.
    private static func layOut(
        _ batch: ArraySlice<SegmentView>,
        pageCount: UInt32,
        _ state: inout State
    ) throws(VaultError) {
        var newest: [PageNumber: (segment: Int, record: SegmentRecord)] = [:]
        for (index, view) in zip(batch.indices, batch) {
            for record in view.records { newest[record.page] = (index, record) }
        }
        // In the order of the file, which the checkpoint and the readers' caches like best.
        for (page, version) in newest.sorted(by: { $0.key < $1.key })
        where page.rawValue <= pageCount {
            let view = batch[version.segment]
            try view.withPage(of: version.record) { image throws(VaultError) in
                try Self.append(page, image, &state.appender)
            }
        }
    }

    /// Adds a page to the commit, page 1 with the marker.
    static func append(
        _ page: PageNumber,
        _ image: UnsafeRawBufferPointer,
        _ appender: inout WALAppender
    ) throws(VaultError) {
        guard page == .first else { return try appender.append(page, image) }
        var marked = Array(image)
        marked[Marker.byteOffset] = Marker.set
        try marked.span.bytes.withUnsafeBytes { bytes throws(VaultError) in
            try appender.append(page, bytes)
        }
    }
}

extension Applier.Parts {
    fileprivate func isContinued(by header: SegmentHeader) -> Bool {
        header.partIndex == self.nextIndex && header.first == self.first.first
            && header.epoch == self.first.epoch && header.kind == self.first.kind
            && header.pageSize == self.first.pageSize
            && header.digestBefore == self.first.digestBefore
    }
}

private let zeroPage = [UInt8](repeating: 0, count: 65_536)

/// A page of zero bytes.
func withZeroPage<Answer, Failure: Error>(
    of pageSize: PageSize,
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Answer
) throws(Failure) -> Answer {
    try zeroPage.span.bytes.withUnsafeBytes { bytes throws(Failure) in
        try body(UnsafeRawBufferPointer(rebasing: bytes[..<pageSize.byteCount]))
    }
}
