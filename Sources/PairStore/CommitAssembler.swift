import Glibc
package import PairCore
package import PairWAL

/// A segment that has been captured and sealed.
package struct CapturedSegment: Sendable {
    package let bytes: [UInt8]
    package let header: SegmentHeader

    /// Where the vault is after it; `nil` for a part that more parts follow.
    package var position: Position? { self.header.position }

    package init(bytes: [UInt8], header: SegmentHeader) {
        self.bytes = bytes
        self.header = header
    }
}

/// What has been captured so far: a committed state, its place in history and in the WAL.
struct CapturedState {
    var pages: PageMap
    var position: Position
    var anchor: WALAnchor
}

/// Turns committed frames into segments and keeps the page map level with them.
///
/// Commits that were found together share a segment, in which every page is hashed once. A commit
/// too big for one segment is walked twice, so that it takes no memory but a frame number per page.
struct CommitAssembler {
    private(set) var pages: PageMap
    /// After the last sealed transaction.
    private(set) var position: Position
    private(set) var reader: FrameReader
    private let hasher = PageHasher()

    typealias Deliver = (CapturedSegment, WALAnchor) throws(VaultError) -> Void

    init(_ state: CapturedState, reader: FrameReader) {
        self.pages = state.pages
        self.position = state.position
        self.reader = reader
    }

    var state: CapturedState {
        CapturedState(pages: self.pages, position: self.position, anchor: self.reader.anchor)
    }

    mutating func begin(_ header: WALIndex.Header) throws(VaultError) {
        try self.reader.begin(header)
    }

    /// Seals segments of all commits up to frame `last`, which ends one.
    ///
    /// - Throws: `.continuityLost`, `.system`, and what `deliver` throws.
    mutating func assemble(through last: UInt32, _ deliver: Deliver) throws(VaultError) {
        while self.reader.anchor.frame < last {
            let run = try self.reader.read(after: self.reader.anchor, through: last)
            guard let end = run.frames.lastIndex(where: { $0.isCommit }) else {
                guard run.anchors.last?.frame != last else {
                    throw self.reader.lost(.unfinishedCommit(frame: last))
                }
                try self.assembleLarge(following: run, through: last, deliver)
                continue
            }
            try self.seal(run, through: end, deliver)
        }
    }

    // MARK: Commits that fit one segment

    /// Seals the run's commits up to its frame `end`; they fit one segment together.
    private mutating func seal(
        _ run: FrameReader.Run,
        through end: Int,
        _ deliver: Deliver
    ) throws(VaultError) {
        var builder = self.builder()
        var newest: [UInt32: Int] = [:]
        var start = 0
        for index in 0...end where run.frames[index].isCommit {
            let pagesAfter = run.frames[index].pagesAfterCommit
            let written = Self.newestVersions(run.frames[start...index], pagesAfter)
            if written.isEmpty && !builder.isEmpty {
                try self.finish(&builder, &newest, run.anchors[start - 1], deliver)
            }
            if pagesAfter < self.pages.pageCount {
                newest = newest.filter { $0.key <= pagesAfter }
            }
            try self.resize(to: pagesAfter) { written[$0] != nil }
            for index in start...index {
                let page = run.frames[index].page
                guard written[page.rawValue] == index else { continue }
                builder.append(page, self.reader.image(index, of: page))
                newest[page.rawValue] = index
            }
            builder.endCommit(pagesAfter: pagesAfter)
            if written.isEmpty { try self.finish(&builder, &newest, run.anchors[index], deliver) }
            start = index + 1
        }
        if !builder.isEmpty { try self.finish(&builder, &newest, run.anchors[end], deliver) }
    }

    private mutating func finish(
        _ open: inout SegmentBuilder,
        _ newest: inout [UInt32: Int],
        _ anchor: WALAnchor,
        _ deliver: Deliver
    ) throws(VaultError) {
        for (number, index) in newest {
            let page = PageNumber(number)
            self.pages.set(page, self.hasher.hash(page, self.reader.image(index, of: page)))
        }
        newest = [:]
        let commitCount = open.endedCommitCount
        self.position.txid = self.position.txid.advanced(by: commitCount)
        self.position.digest = self.pages.digest
        let sealed = open
        open = self.builder()
        self.reader.consume(anchor)
        try self.deliver(sealed.finish(digestAfter: self.pages.digest), anchor, deliver)
    }

    /// For each page the last of `frames` that holds it; pages after `pagesAfter` are gone.
    private static func newestVersions(
        _ frames: ArraySlice<WALFrame>,
        _ pagesAfter: UInt32
    ) -> [UInt32: Int] {
        var newest: [UInt32: Int] = [:]
        newest.reserveCapacity(frames.count)
        for index in frames.indices where frames[index].page.rawValue <= pagesAfter {
            newest[frames[index].page.rawValue] = index
        }
        return newest
    }

    // MARK: Commits that do not

    /// Seals the one commit that begins with `run`, in parts.
    private mutating func assembleLarge(
        following run: FrameReader.Run,
        through last: UInt32,
        _ deliver: Deliver
    ) throws(VaultError) {
        var newest: [UInt32: UInt32] = [:]
        var run = run
        while true {
            for (frame, anchor) in zip(run.frames, run.anchors) {
                newest[frame.page.rawValue] = anchor.frame
                guard frame.isCommit else { continue }
                try self.resize(to: frame.pagesAfterCommit) { newest[$0] != nil }
                return try self.sealParts(
                    newest,
                    pagesAfter: frame.pagesAfterCommit,
                    anchor,
                    hashing: true,
                    deliver
                )
            }
            guard let anchor = run.anchors.last, anchor.frame < last else {
                throw self.reader.lost(.unfinishedCommit(frame: last))
            }
            run = try self.reader.read(after: anchor, through: last)
        }
    }

    /// Seals one transaction that leads from ``position`` to the state that ``pages`` describes.
    ///
    /// - Parameter last: the frame that ends the last of the folded commits.
    mutating func fold(
        from base: WALAnchor,
        through last: UInt32,
        _ deliver: Deliver
    ) throws(VaultError) {
        var newest: [UInt32: UInt32] = [:]
        var anchor = base
        var pagesAfter: UInt32 = 0
        while anchor.frame < last {
            let run = try self.reader.read(after: anchor, through: last)
            for (frame, anchor) in zip(run.frames, run.anchors) {
                newest[frame.page.rawValue] = anchor.frame
                pagesAfter = frame.pagesAfterCommit
            }
            anchor = run.anchors.last ?? anchor
        }
        guard pagesAfter > 0 else { throw self.reader.lost(.unfinishedCommit(frame: last)) }
        try self.sealParts(newest, pagesAfter: pagesAfter, anchor, hashing: false, deliver)
    }

    private mutating func sealParts(
        _ newest: [UInt32: UInt32],
        pagesAfter: UInt32,
        _ anchor: WALAnchor,
        hashing: Bool,
        _ deliver: Deliver
    ) throws(VaultError) {
        var part: UInt32 = 0
        var builder = self.builder()
        for (number, frame) in newest.filter({ $0.key <= pagesAfter }).sorted(by: { $0.1 < $1.1 }) {
            let page = PageNumber(number)
            let image = try self.reader.image(frame: frame, of: page)
            if hashing { self.pages.set(page, self.hasher.hash(page, image)) }
            if !builder.hasRoom {
                part += 1
                let full = builder
                builder = self.builder(part: part)
                try self.deliver(full.finishOpenPart(), self.reader.anchor, deliver)
            }
            builder.append(page, image)
        }
        builder.endCommit(pagesAfter: pagesAfter)
        self.position.txid = self.position.txid.next
        self.position.digest = self.pages.digest
        self.reader.consume(anchor)
        try self.deliver(builder.finish(digestAfter: self.pages.digest), anchor, deliver)
    }

    // MARK: Both

    private func builder(part: UInt32 = 0) -> SegmentBuilder {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return SegmentBuilder(
            pageSize: self.pages.pageSize,
            epoch: self.position.epoch,
            first: self.position.txid.next,
            digestBefore: self.position.digest,
            commitTimeMicroseconds: Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec / 1_000),
            partIndex: part
        )
    }

    private func deliver(
        _ bytes: [UInt8],
        _ anchor: WALAnchor,
        _ deliver: Deliver
    ) throws(VaultError) {
        let header: SegmentHeader
        do throws(SegmentError) {
            header = try SegmentHeader(decoding: bytes[...])
        } catch {
            throw .segment(error)
        }
        try deliver(CapturedSegment(bytes: bytes, header: header), anchor)
    }

    /// Takes note of the vault's new size.
    ///
    /// SQLite writes every page that it adds. If one were left out, its content would be whatever
    /// the file held there before, which nobody could know from the log.
    private mutating func resize(
        to pageCount: UInt32,
        _ isWritten: (UInt32) -> Bool
    ) throws(VaultError) {
        if pageCount > self.pages.pageCount {
            for number in self.pages.pageCount + 1...pageCount
            where !isWritten(number) && PageNumber(number) != self.pages.pageSize.lockPage {
                throw self.reader.lost(.unwrittenPage(PageNumber(number)))
            }
        }
        self.pages.resize(to: pageCount)
    }
}
