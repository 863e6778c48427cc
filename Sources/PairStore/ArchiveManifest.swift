import PairCore

/// What an archive says about itself, in `manifest.json`.
///
/// Its name is derived from what it holds, so that the same tail always has the same name and a
/// manifest cannot describe another tail than the one its folder is named after.
struct ArchiveManifest: Hashable, Sendable {
    var node: NodeBit
    var nodeName: String
    /// The last position that the survivor has too; `nil` when none is known.
    var fork: Position?
    /// Where this node's history had come to.
    var end: Position
    var lineage: Lineage
    /// Seconds since 1970, for display only.
    var wallSeconds: Int64
    var image: Image
    var segments: Segments

    struct Image: Hashable, Sendable {
        var pageSize: PageSize
        var pageCount: UInt32
        /// Of what the image holds.
        ///
        /// Not ``ArchiveManifest/end``'s where the application had committed more than the log knows.
        var digest: VaultDigest

        var byteCount: UInt64 { UInt64(self.pageSize.byteCount) * UInt64(self.pageCount) }
    }

    /// The log's segments, one after the other; each says how long it is.
    struct Segments: Hashable, Sendable {
        /// The last transaction before them; `nil` when the log had none.
        ///
        /// The fork; an earlier one where a segment spans it, a later one where the log does not
        /// reach back to it.
        var after: TXID?
        var through: TXID?
        var byteCount: UInt64
        /// SHA-256 of the file.
        var checksum: [UInt8]

        static let none = Segments(
            after: nil,
            through: nil,
            byteCount: 0,
            checksum: ArchiveSHA256().finish()
        )
    }

    /// Commits after the fork; all of them when there is none.
    var transactions: UInt64 { self.end.txid.distance(from: self.fork?.txid ?? .zero) }

    /// As in `n1-7-991823-0f4c…`: node, epoch, TXID, and 64 bits of what tells it from all others.
    var id: String {
        Self.id(node: self.node, fork: self.fork, end: self.end, image: self.image.digest)
    }

    static func id(
        node: NodeBit,
        fork: Position?,
        end: Position,
        image: VaultDigest
    ) -> String {
        var writer = ByteWriter(reserving: 160)
        writer.bytes("pair-archive-v1".utf8)
        writer.u8(node.rawValue)
        writer.bool(fork != nil)
        writer.position(fork ?? .start)
        writer.position(end)
        writer.digest(image)
        let hash = ArchiveSHA256()
        hash.update(writer.bytes)
        return "n\(node.rawValue)-\(end.epoch)-\(end.txid)-\(Hex.string(hash.finish().prefix(8)))"
    }

    var tail: NodeRecord.Tail {
        NodeRecord.Tail(
            id: self.id,
            node: self.node,
            from: self.fork ?? .start,
            to: self.end,
            transactions: self.transactions,
            byteCount: self.image.byteCount + self.segments.byteCount,
            wallSeconds: self.wallSeconds
        )
    }
}

// MARK: As JSON

extension ArchiveManifest {
    private static let format = "pair-archive"
    private static let version = 1
    /// Room for a lineage of ten thousand changes of primary.
    static let longest = 4 << 20

    var encoded: [UInt8] {
        ArchiveJSON.object([
            .init("format", .text(Self.format)),
            .init("version", ArchiveJSON(Self.version)),
            .init("id", .text(self.id)),
            .init("node", ArchiveJSON(self.node.rawValue)),
            .init("nodeName", .text(self.nodeName)),
            .init("from", ArchiveJSON(self.fork)),
            .init("to", ArchiveJSON(self.end)),
            .init("transactions", ArchiveJSON(self.transactions)),
            .init("wallSeconds", ArchiveJSON(self.wallSeconds)),
            .init(
                "image",
                .object([
                    .init("file", .text(ArchiveFile.image.rawValue)),
                    .init("byteCount", ArchiveJSON(self.image.byteCount)),
                    .init("pageSize", ArchiveJSON(self.image.pageSize.byteCount)),
                    .init("pageCount", ArchiveJSON(self.image.pageCount)),
                    .init("digest", .text(self.image.digest.description)),
                ])
            ),
            .init(
                "segments",
                .object([
                    .init("file", .text(ArchiveFile.segments.rawValue)),
                    .init("byteCount", ArchiveJSON(self.segments.byteCount)),
                    .init("after", ArchiveJSON(self.segments.after)),
                    .init("through", ArchiveJSON(self.segments.through)),
                    .init("sha256", .text(Hex.string(self.segments.checksum))),
                ])
            ),
            .init(
                "lineage",
                .list(
                    self.lineage.entries.map { entry in
                        .object([
                            .init("epoch", ArchiveJSON(entry.epoch.rawValue)),
                            .init("owner", ArchiveJSON(entry.owner.rawValue)),
                            .init("fork", ArchiveJSON(entry.fork)),
                            .init("cause", .text(entry.cause.rawValue)),
                            .init("wallSeconds", ArchiveJSON(entry.wallSeconds)),
                        ])
                    }
                )
            ),
        ]).encoded
    }

    /// Reads a manifest that nobody has checked yet.
    init(decoding bytes: [UInt8]) throws(ArchiveFieldError) {
        guard let json = ArchiveJSON(bytes), json["format"] == .text(Self.format) else {
            throw ArchiveFieldError(field: nil)
        }
        guard try json.integer("version", Int.self) == Self.version else {
            throw ArchiveFieldError(field: "version")
        }
        self.node = try json.node("node")
        self.nodeName = try json.text("nodeName")
        self.fork = try json.isNull("from") ? nil : try json.position("from")
        self.end = try json.position("to")
        self.wallSeconds = try json.integer("wallSeconds", Int64.self)
        self.image = try Image(try json.member("image"))
        self.segments = try Segments(try json.member("segments"))
        guard case .list(let values) = try json.member("lineage") else {
            throw ArchiveFieldError(field: "lineage")
        }
        var entries: [LineageEntry] = []
        for value in values {
            let entry = try LineageEntry(value)
            guard entry.epoch > entries.last?.epoch ?? .none else {
                throw ArchiveFieldError(field: "lineage")
            }
            entries.append(entry)
        }
        self.lineage = Lineage(entries)
        guard try json.text("id") == self.id else { throw ArchiveFieldError(field: "id") }
        guard try json.integer("transactions", UInt64.self) == self.transactions else {
            throw ArchiveFieldError(field: "transactions")
        }
    }
}

extension ArchiveManifest.Image {
    fileprivate init(_ json: ArchiveJSON) throws(ArchiveFieldError) {
        guard let pageSize = PageSize(byteCount: try json.integer("pageSize", Int.self)) else {
            throw ArchiveFieldError(field: "pageSize")
        }
        self.pageSize = pageSize
        self.pageCount = try json.integer("pageCount", UInt32.self)
        self.digest = try json.digest("digest")
        guard self.pageCount > 0 else { throw ArchiveFieldError(field: "pageCount") }
        guard try json.integer("byteCount", UInt64.self) == self.byteCount else {
            throw ArchiveFieldError(field: "byteCount")
        }
    }
}

extension ArchiveManifest.Segments {
    fileprivate init(_ json: ArchiveJSON) throws(ArchiveFieldError) {
        self.byteCount = try json.integer("byteCount", UInt64.self)
        self.after = try json.txid("after")
        self.through = try json.txid("through")
        guard let checksum = Hex.bytes(try json.text("sha256")), checksum.count == 32 else {
            throw ArchiveFieldError(field: "sha256")
        }
        self.checksum = checksum
        // The sum with any image stays a number.
        guard self.byteCount <= UInt64(Int64.max) else {
            throw ArchiveFieldError(field: "byteCount")
        }
    }
}

extension LineageEntry {
    fileprivate init(_ json: ArchiveJSON) throws(ArchiveFieldError) {
        guard let cause = EpochCause(rawValue: try json.text("cause")) else {
            throw ArchiveFieldError(field: "cause")
        }
        self.init(
            epoch: Epoch(rawValue: try json.integer("epoch", UInt64.self)),
            owner: try json.node("owner"),
            fork: try json.position("fork"),
            cause: cause,
            wallSeconds: try json.integer("wallSeconds", Int64.self)
        )
    }
}

/// The field of a manifest that is missing or cannot be; `nil` when it is no manifest at all.
struct ArchiveFieldError: Error {
    let field: String?
}

extension ArchiveJSON {
    fileprivate init(_ position: Position?) {
        self =
            position.map { position in
                .object([
                    .init("epoch", ArchiveJSON(position.epoch.rawValue)),
                    .init("txid", ArchiveJSON(position.txid.rawValue)),
                    .init("digest", .text(position.digest.description)),
                ])
            } ?? .null
    }

    fileprivate init(_ txid: TXID?) { self = txid.map { ArchiveJSON($0.rawValue) } ?? .null }

    fileprivate func member(_ name: String) throws(ArchiveFieldError) -> ArchiveJSON {
        guard let value = self[name] else { throw ArchiveFieldError(field: name) }
        return value
    }

    fileprivate func isNull(_ name: String) throws(ArchiveFieldError) -> Bool {
        try self.member(name) == .null
    }

    fileprivate func integer<Value: FixedWidthInteger>(
        _ name: String,
        _ type: Value.Type
    ) throws(ArchiveFieldError) -> Value {
        guard case .number(let digits) = try self.member(name), let value = Value(digits) else {
            throw ArchiveFieldError(field: name)
        }
        return value
    }

    fileprivate func text(_ name: String) throws(ArchiveFieldError) -> String {
        guard case .text(let text) = try self.member(name) else {
            throw ArchiveFieldError(field: name)
        }
        return text
    }

    fileprivate func node(_ name: String) throws(ArchiveFieldError) -> NodeBit {
        guard let node = NodeBit(rawValue: try self.integer(name, UInt8.self)) else {
            throw ArchiveFieldError(field: name)
        }
        return node
    }

    fileprivate func txid(_ name: String) throws(ArchiveFieldError) -> TXID? {
        try self.isNull(name) ? nil : TXID(try self.integer(name, UInt64.self))
    }

    fileprivate func position(_ name: String) throws(ArchiveFieldError) -> Position {
        let value = try self.member(name)
        return Position(
            epoch: Epoch(rawValue: try value.integer("epoch", UInt64.self)),
            txid: TXID(try value.integer("txid", UInt64.self)),
            digest: try value.digest("digest")
        )
    }

    fileprivate func digest(_ name: String) throws(ArchiveFieldError) -> VaultDigest {
        guard let bytes = Hex.bytes(try self.text(name)), bytes.count == 32 else {
            throw ArchiveFieldError(field: name)
        }
        // As a digest is written: each lane's most significant byte first.
        let lanes = stride(from: 0, to: 32, by: 8).map { start in
            bytes[start..<start + 8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        }
        return VaultDigest(lanes[0], lanes[1], lanes[2], lanes[3])
    }
}
