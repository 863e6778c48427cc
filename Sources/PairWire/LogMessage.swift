package import PairCore

// The log connection carries one direction of history: segments, pages and marks from the primary,
// acknowledgements and page wishes from the secondary. Stream order is meaning: a mark or an END
// speaks of the vault right after the segment before it.

/// What the nodes say on the log connection.
package enum LogMessage: Sendable, Equatable {
    // From the secondary.
    case request(Request)
    /// The pages of one run of ``hashes`` that differ: bit i of the bitmap is page `first` + i.
    case wanted(first: PageNumber, bitmap: [UInt8])
    case progress(Progress)
    /// The hashes of the secondary's pages at a mark, each cut to 16 bytes.
    case markHashes(id: UInt64, first: PageNumber, hashes: [UInt8])
    case markResult(MarkResult)
    case archive(ArchivePiece)

    // From the primary.
    /// The archive is whole and on this node's disk.
    case archived(id: String)
    case plan(Plan)
    /// One segment, as the log keeps it.
    case segment([UInt8])
    /// The hashes of the primary's pages, each cut to 16 bytes.
    case hashes(first: PageNumber, hashes: [UInt8])
    /// Page images, each after its number; versions at or after the plan's position.
    case pages([UInt8])
    /// The copy is whole: what came so far is the vault at this position.
    case copied(Position)
    /// Compare here: the secondary reads its own copy at this position.
    case mark(id: UInt64, Position, full: Bool)
    /// Every second: where the primary is, for lag and stall display only.
    case tick(Position)

    /// What the secondary has and asks for.
    package struct Request: Hashable, Sendable {
        package enum Wish: Hashable, Sendable {
            /// The segments after its position.
            case stream(after: Position)
            /// The primary's pages: those that differ where there is a vault, else all.
            case copy
            /// Nothing yet: the connection is for an archive.
            case nothing
        }

        package var wish: Wish
        package var content: VaultContent

        package init(wish: Wish, content: VaultContent) {
            self.wish = wish
            self.content = content
        }
    }

    /// How the secondary will come level, as the primary decided.
    package struct Plan: Hashable, Sendable {
        package enum Way: Hashable, Sendable {
            /// Segments after this position.
            case stream(after: Position)
            /// Only the pages that differ, then segments.
            case delta
            /// A whole new copy, then segments.
            case seed
            case refuse(String)
        }

        package var way: Way
        /// The primary's, under which everything that follows is sent.
        package var epoch: Epoch
        package var pageSize: PageSize
        /// Where the copy starts; pages may be newer.
        package var position: Position
        package var pageCount: UInt32

        package init(
            way: Way,
            epoch: Epoch,
            pageSize: PageSize,
            position: Position,
            pageCount: UInt32
        ) {
            self.way = way
            self.epoch = epoch
            self.pageSize = pageSize
            self.position = position
            self.pageCount = pageCount
        }
    }

    /// A piece of an archive, in order: what one node must not be alone to hold.
    package struct ArchivePiece: Hashable, Sendable {
        package var id: String
        /// The file's name inside the archive, without a folder.
        package var file: String
        package var offset: UInt64
        package var bytes: [UInt8]
        /// Nothing of the archive follows.
        package var isLast: Bool

        package init(id: String, file: String, offset: UInt64, bytes: [UInt8], isLast: Bool) {
            self.id = id
            self.file = file
            self.offset = offset
            self.bytes = bytes
            self.isLast = isLast
        }
    }

    /// How far the secondary has got.
    package struct Progress: Hashable, Sendable {
        package var received: TXID
        package var durable: TXID
        /// The newest position that can be read there; `nil` while a copy is being taken.
        package var applied: Position?
        /// Payload bytes of segments and pages that were taken in since the connection began: the
        /// sender's credit.
        package var takenBytes: UInt64

        package init(received: TXID, durable: TXID, applied: Position?, takenBytes: UInt64) {
            self.received = received
            self.durable = durable
            self.applied = applied
            self.takenBytes = takenBytes
        }
    }

    /// What the secondary found at a mark.
    package struct MarkResult: Hashable, Sendable {
        package var id: UInt64
        /// As the secondary keeps it along with every transaction.
        package var position: Position
        /// As read anew from its files; `nil` when it could not be read.
        package var scanned: VaultDigest?
        package var pageCount: UInt32
        /// The answer of `PRAGMA integrity_check`; `nil` when it was not asked for.
        package var integrity: String?

        package init(
            id: UInt64,
            position: Position,
            scanned: VaultDigest?,
            pageCount: UInt32,
            integrity: String?
        ) {
            self.id = id
            self.position = position
            self.scanned = scanned
            self.pageCount = pageCount
            self.integrity = integrity
        }
    }
}

extension LogMessage {
    /// The envelope's type on the log connection.
    package enum Kind: UInt8, Sendable {
        case request = 1
        case wanted = 2
        case progress = 3
        case markHashes = 4
        case markResult = 5
        case archive = 6
        case plan = 16
        case segment = 17
        case hashes = 18
        case pages = 19
        case copied = 20
        case mark = 21
        case tick = 22
        case archived = 23
    }

    package var kind: Kind {
        switch self {
        case .request: .request
        case .wanted: .wanted
        case .progress: .progress
        case .markHashes: .markHashes
        case .markResult: .markResult
        case .archive: .archive
        case .archived: .archived
        case .plan: .plan
        case .segment: .segment
        case .hashes: .hashes
        case .pages: .pages
        case .copied: .copied
        case .mark: .mark
        case .tick: .tick
        }
    }

    package var payload: [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .segment(let bytes), .pages(let bytes): return bytes
        case .request(let request): writer.request(request)
        case .plan(let plan): writer.plan(plan)
        case .wanted(let first, let bitmap): writer.run(first, bitmap)
        case .hashes(let first, let hashes): writer.run(first, hashes)
        case .markHashes(let id, let first, let hashes):
            writer.u64(id)
            writer.run(first, hashes)
        case .progress(let progress):
            writer.u64(progress.received.rawValue)
            writer.u64(progress.durable.rawValue)
            writer.optionalPosition(progress.applied)
            writer.u64(progress.takenBytes)
        case .markResult(let result):
            writer.u64(result.id)
            writer.position(result.position)
            writer.bool(result.scanned != nil)
            if let scanned = result.scanned { writer.digest(scanned) }
            writer.u32(result.pageCount)
            writer.bool(result.integrity != nil)
            if let integrity = result.integrity { writer.text(integrity, limit: 4096) }
        case .copied(let position), .tick(let position): writer.position(position)
        case .archive(let piece): writer.piece(piece)
        case .archived(let id): writer.text(id)
        case .mark(let id, let position, let full):
            writer.u64(id)
            writer.position(position)
            writer.bool(full)
        }
        return writer.bytes
    }

    /// Reads one message; a segment's own bytes are checked by who uses them.
    ///
    /// - Throws: `ByteError` when the bytes are not a whole message of that kind.
    package init(kind: Kind, payload: ArraySlice<UInt8>) throws(ByteError) {
        var reader = ByteReader(payload)
        switch kind {
        case .segment:
            self = .segment(Array(payload))
            return
        case .pages:
            self = .pages(Array(payload))
            return
        case .request: self = .request(try reader.request())
        case .plan: self = .plan(try reader.plan())
        case .wanted:
            let (first, bitmap) = try reader.run()
            self = .wanted(first: first, bitmap: bitmap)
        case .hashes:
            let (first, hashes) = try reader.run()
            self = .hashes(first: first, hashes: hashes)
        case .markHashes:
            let id = try reader.u64("mark")
            let (first, hashes) = try reader.run()
            self = .markHashes(id: id, first: first, hashes: hashes)
        case .progress:
            self = .progress(
                Progress(
                    received: TXID(try reader.u64("received")),
                    durable: TXID(try reader.u64("durable")),
                    applied: try reader.optionalPosition("applied"),
                    takenBytes: try reader.u64("taken bytes")
                )
            )
        case .markResult: self = .markResult(try reader.markResult())
        case .archive: self = .archive(try reader.piece())
        case .archived: self = .archived(id: try reader.text(limit: 128, "archive"))
        case .copied: self = .copied(try reader.position("position"))
        case .tick: self = .tick(try reader.position("position"))
        case .mark:
            self = .mark(
                id: try reader.u64("mark"),
                try reader.position("position"),
                full: try reader.bool("full")
            )
        }
        try reader.finish()
    }
}
