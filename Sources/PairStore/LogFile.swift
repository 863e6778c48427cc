import Glibc
import PairCore
import PairWAL

/// One file of the log: records from the beginning on, each a header of 32 bytes and a segment.
///
/// Knows the bytes and keeps a sparse index; whether the records continue each other is the
/// concern of ``SegmentStore``.
struct LogFile {
    let number: UInt64
    let path: String
    /// Where the log stands before the file's first record.
    let before: Position
    /// Everything beyond is not part of the log.
    var byteCount: Int
    /// The first TXID of the file; `nil` while it is empty.
    var first: TXID?
    /// When the last record was appended, by a clock that never runs backwards.
    var lastAppended: Duration
    /// Records that begin a transaction, about every 64 KiB, in rising order.
    private(set) var marks: [Mark] = []

    struct Mark {
        var offset: Int
        var first: TXID
    }

    static let recordHeaderByteCount = 32
    static let magic: UInt32 = 0x474f_4c50  // "PLOG"
    private static let markDistance = 64 << 10

    /// A record as its two headers describe it.
    struct Record {
        var offset: Int
        var anchor: WALAnchor
        var segment: SegmentHeader

        var end: Int { self.offset + LogFile.recordHeaderByteCount + self.segment.segmentByteCount }
    }

    init(
        number: UInt64,
        in directory: String,
        before: Position,
        byteCount: Int,
        lastAppended: Duration
    ) {
        self.number = number
        self.before = before
        self.path = directory + "/" + Hex.string(number)
        self.byteCount = byteCount
        self.lastAppended = lastAppended
    }

    mutating func note(_ record: Record) {
        if self.first == nil { self.first = record.segment.first }
        guard record.segment.partIndex == 0 else { return }
        if let last = self.marks.last, record.offset - last.offset < Self.markDistance { return }
        self.marks.append(Mark(offset: record.offset, first: record.segment.first))
    }

    mutating func truncate(at offset: Int) {
        self.byteCount = offset
        self.marks.removeAll { $0.offset >= offset }
        if offset == 0 { self.first = nil }
    }

    /// Where to begin walking towards the transaction after `txid`.
    func offset(before txid: TXID) -> Int {
        var low = 0
        var high = self.marks.count
        while low < high {
            let middle = (low + high) / 2
            if self.marks[middle].first <= txid { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? 0 : self.marks[low - 1].offset
    }

    func open(_ flags: Int32 = O_RDONLY) throws(SystemFailure) -> Int32 {
        let descriptor = Glibc.open(self.path, flags | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw SystemFailure("opening", self.path) }
        return descriptor
    }

    /// The bytes in front of a segment in its file.
    static func encodeHeader(segmentByteCount: Int, anchor: WALAnchor) -> [UInt8] {
        var writer = ByteWriter(reserving: self.recordHeaderByteCount)
        writer.u32(self.magic)
        writer.u32(UInt32(segmentByteCount))
        anchor.encode(into: &writer)
        writer.u32(CRC32C.checksum(writer.bytes))
        return writer.bytes
    }

    /// The record at `offset`; `nil` when there is none, or none that is complete and in order.
    ///
    /// - Parameter checksEverything: reads the segment as well as the headers.
    func record(
        at offset: Int,
        from descriptor: Int32,
        checksEverything: Bool = false
    ) throws(SystemFailure) -> Record? {
        let headers = Self.recordHeaderByteCount + SegmentHeader.byteCount
        guard offset + headers <= self.byteCount else { return nil }
        var bytes = [UInt8](repeating: 0, count: headers)
        let count = try DurableFile.read(
            into: &bytes,
            from: descriptor,
            at: offset,
            path: self.path
        )
        guard count == headers, let record = Self.decode(bytes, at: offset),
            record.end <= self.byteCount
        else { return nil }
        guard checksEverything else { return record }
        return try self.view(of: record, from: descriptor) == nil ? nil : record
    }

    /// The record's segment, completely checked; `nil` when it is damaged.
    func view(of record: Record, from descriptor: Int32) throws(SystemFailure) -> SegmentView? {
        var bytes = [UInt8](repeating: 0, count: record.segment.segmentByteCount)
        let count = try DurableFile.read(
            into: &bytes,
            from: descriptor,
            at: record.offset + Self.recordHeaderByteCount,
            path: self.path
        )
        guard count == bytes.count, let view = try? SegmentView(bytes),
            view.header == record.segment
        else { return nil }
        return view
    }

    private static func decode(_ bytes: [UInt8], at offset: Int) -> Record? {
        var reader = ByteReader(bytes)
        do throws(ByteError) {
            guard try reader.u32("magic") == self.magic else { return nil }
            let length = try reader.u32("length")
            let anchor = try WALAnchor(from: &reader)
            guard try reader.u32("crc") == CRC32C.checksum(bytes[..<28]) else { return nil }
            let rest = bytes[self.recordHeaderByteCount...]
            guard let segment = try? SegmentHeader(decoding: rest),
                segment.segmentByteCount == Int(length)
            else { return nil }
            return Record(offset: offset, anchor: anchor, segment: segment)
        } catch {
            return nil
        }
    }
}
