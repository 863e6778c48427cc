import PairCore

extension ByteWriter {
    mutating func request(_ request: LogMessage.Request) {
        switch request.wish {
        case .stream(let position):
            self.u8(1)
            self.position(position)
        case .copy: self.u8(2)
        case .nothing: self.u8(3)
        }
        switch request.content {
        case .missing: self.u8(0)
        case .withoutTables(let size):
            self.u8(1)
            self.pageSize(size)
        case .withTables(let size):
            self.u8(2)
            self.pageSize(size)
        case .unusable: self.u8(3)
        }
    }

    mutating func plan(_ plan: LogMessage.Plan) {
        switch plan.way {
        case .stream(let position):
            self.u8(1)
            self.position(position)
        case .delta: self.u8(2)
        case .seed: self.u8(3)
        case .refuse(let reason):
            self.u8(4)
            self.text(reason, limit: 4096)
        }
        self.u64(plan.epoch.rawValue)
        self.pageSize(plan.pageSize)
        self.position(plan.position)
        self.u32(plan.pageCount)
    }

    mutating func piece(_ piece: LogMessage.ArchivePiece) {
        self.text(piece.id)
        self.text(piece.file)
        self.u64(piece.offset)
        self.bool(piece.isLast)
        self.block(piece.bytes)
    }

    mutating func run(_ first: PageNumber, _ bytes: [UInt8]) {
        self.u32(first.rawValue)
        self.block(bytes)
    }
}

extension ByteReader {
    mutating func request() throws(ByteError) -> LogMessage.Request {
        let wishCode = try self.u8("wish")
        let wish: LogMessage.Request.Wish =
            switch wishCode {
            case 1: .stream(after: try self.position("position"))
            case 2: .copy
            case 3: .nothing
            default: throw .outOfRange(field: "wish", value: UInt64(wishCode))
            }
        let kind = try self.u8("vault content")
        let content: VaultContent =
            switch kind {
            case 0: .missing
            case 1: .withoutTables(try self.pageSize("page size"))
            case 2: .withTables(try self.pageSize("page size"))
            case 3: .unusable("")
            default: throw .outOfRange(field: "vault content", value: UInt64(kind))
            }
        return LogMessage.Request(wish: wish, content: content)
    }

    mutating func plan() throws(ByteError) -> LogMessage.Plan {
        let kind = try self.u8("plan")
        let way: LogMessage.Plan.Way =
            switch kind {
            case 1: .stream(after: try self.position("position"))
            case 2: .delta
            case 3: .seed
            case 4: .refuse(try self.text(limit: 4096, "reason"))
            default: throw .outOfRange(field: "plan", value: UInt64(kind))
            }
        return LogMessage.Plan(
            way: way,
            epoch: Epoch(rawValue: try self.u64("epoch")),
            pageSize: try self.pageSize("page size"),
            position: try self.position("position"),
            pageCount: try self.u32("page count")
        )
    }

    mutating func piece() throws(ByteError) -> LogMessage.ArchivePiece {
        let id = try self.text(limit: 128, "archive")
        let file = try self.text(limit: 128, "file")
        let offset = try self.u64("offset")
        let isLast = try self.bool("last")
        return LogMessage.ArchivePiece(
            id: id,
            file: file,
            offset: offset,
            bytes: try self.block(limit: 1 << 20, "bytes"),
            isLast: isLast
        )
    }

    mutating func markResult() throws(ByteError) -> LogMessage.MarkResult {
        let id = try self.u64("mark")
        let position = try self.position("position")
        let scanned = try self.bool("has digest") ? try self.digest("digest") : nil
        let pageCount = try self.u32("page count")
        let integrity = try self.bool("has integrity") ? try self.text(limit: 4096, "text") : nil
        return LogMessage.MarkResult(
            id: id,
            position: position,
            scanned: scanned,
            pageCount: pageCount,
            integrity: integrity
        )
    }

    /// A page number and at most 1 MiB about the pages from there on.
    mutating func run() throws(ByteError) -> (PageNumber, [UInt8]) {
        let first = PageNumber(try self.u32("first page"))
        return (first, try self.block(limit: 1 << 20, "run"))
    }
}
