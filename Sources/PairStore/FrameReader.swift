import Glibc
import PairCore
import PairWAL

/// Walks over the committed frames of the WAL, proving each by its salts and running checksum.
struct FrameReader {
    let files: VaultFiles
    let pageSize: PageSize
    /// Everything up to here has been proven and consumed.
    private(set) var anchor: WALAnchor
    private var isBigEndian: Bool
    /// What ``read(through:)`` read: frame headers and pages, one after the other.
    private let buffer: UnsafeMutableRawBufferPointer
    private let storage: Storage

    /// As many bytes as one segment takes, so that whole commits found in one read share one.
    private static let bufferByteCount = (1 << 20) - 1_024

    private final class Storage {
        let bytes: UnsafeMutableRawBufferPointer
        init(byteCount: Int) {
            self.bytes = .allocate(byteCount: byteCount, alignment: 4_096)
        }
        deinit { self.bytes.deallocate() }
    }

    init(_ files: VaultFiles, pageSize: PageSize, anchor: WALAnchor, isBigEndian: Bool) {
        self.files = files
        self.pageSize = pageSize
        self.anchor = anchor
        self.isBigEndian = isBigEndian
        self.storage = Storage(byteCount: Self.bufferByteCount)
        self.buffer = self.storage.bytes
    }

    private var frameByteCount: Int { WALFrame.headerByteCount + self.pageSize.byteCount }

    /// Goes to the start of the generation that `header` belongs to.
    ///
    /// - Throws: `.continuityLost` when the file's header is of another generation.
    mutating func begin(_ header: WALIndex.Header) throws(VaultError) {
        guard header.maxFrame > 0 else {
            self.anchor = WALAnchor(salts: header.salts, frame: 0, checksum: .zero)
            return
        }
        let bytes = UnsafeMutableRawBufferPointer(rebasing: self.buffer[..<WALHeader.byteCount])
        let count = try self.files.readWAL(bytes, at: 0)
        do throws(WALError) {
            let start = try WALHeader(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
            guard start.salts == header.salts else {
                throw .frameSalts(frame: 0, found: start.salts, expected: header.salts)
            }
            guard start.pageSize == self.pageSize else {
                throw .wrongPageSize(UInt32(start.pageSize.byteCount))
            }
            self.anchor = WALAnchor(startOf: start)
            self.isBigEndian = start.hasBigEndianChecksums
        } catch {
            throw self.lost(.frame(error))
        }
    }

    /// Frames that were read and proven, in order.
    struct Run {
        var frames: [WALFrame] = []
        /// After each of `frames`.
        var anchors: [WALAnchor] = []
    }

    /// Reads and proves the frames after `start`, up to `last` or as many as the buffer holds.
    ///
    /// ``anchor`` does not move; ``consume(_:)`` moves it. The images stay readable until the next
    /// read.
    mutating func read(
        after start: WALAnchor,
        through last: UInt32
    ) throws(VaultError) -> Run {
        let count = min(Int(last - start.frame), self.buffer.count / self.frameByteCount)
        let bytes = UnsafeMutableRawBufferPointer(
            rebasing: self.buffer[..<(count * self.frameByteCount)]
        )
        let offset = WALFrame.byteOffset(of: start.frame + 1, pageSize: self.pageSize)
        let found = try self.files.readWAL(bytes, at: offset)
        guard found == bytes.count else {
            let present = Int(start.frame) + found / self.frameByteCount
            throw self.lost(.framesVanished(captured: last, present: UInt32(present)))
        }
        var run = Run()
        run.frames.reserveCapacity(count)
        run.anchors.reserveCapacity(count)
        var anchor = start
        for index in 0..<count {
            let begin = index * self.frameByteCount
            do throws(WALError) {
                run.frames.append(
                    try WALFrame(
                        following: &anchor,
                        UnsafeRawBufferPointer(
                            rebasing: bytes[begin..<begin + self.frameByteCount]
                        ),
                        isBigEndian: self.isBigEndian
                    )
                )
            } catch {
                throw self.lost(.frame(error))
            }
            run.anchors.append(anchor)
        }
        return run
    }

    /// The page of the run's frame `index`, as it is to be shipped: page 1 without the marker.
    func image(_ index: Int, of page: PageNumber) -> UnsafeRawBufferPointer {
        let begin = index * self.frameByteCount + WALFrame.headerByteCount
        let image = UnsafeMutableRawBufferPointer(
            rebasing: self.buffer[begin..<begin + self.pageSize.byteCount]
        )
        if page == .first { image[18] = 2 }
        return UnsafeRawBufferPointer(image)
    }

    /// Reads the page of one proven frame, as it is to be shipped; uses the run's buffer.
    func image(frame: UInt32, of page: PageNumber) throws(VaultError) -> UnsafeRawBufferPointer {
        let image = UnsafeMutableRawBufferPointer(
            rebasing: self.buffer[..<self.pageSize.byteCount]
        )
        let offset =
            WALFrame.byteOffset(of: frame, pageSize: self.pageSize) + WALFrame.headerByteCount
        guard try self.files.readWAL(image, at: offset) == image.count else {
            throw self.lost(.framesVanished(captured: frame, present: frame - 1))
        }
        if page == .first { image[18] = 2 }
        return UnsafeRawBufferPointer(image)
    }

    mutating func consume(_ anchor: WALAnchor) { self.anchor = anchor }

    /// How many commits end in frames 1…`last`; reads headers only, proves nothing.
    func commitCount(through last: UInt32) throws(VaultError) -> UInt32 {
        let header = UnsafeMutableRawBufferPointer(
            rebasing: self.buffer[..<WALFrame.headerByteCount]
        )
        var count: UInt32 = 0
        var frame: UInt32 = 1
        while frame <= last {
            let offset = WALFrame.byteOffset(of: frame, pageSize: self.pageSize)
            guard try self.files.readWAL(header, at: offset) == header.count else { break }
            if WALFrame(header: UnsafeRawBufferPointer(header)).isCommit { count += 1 }
            frame += 1
        }
        return count
    }

    /// Whether the WAL of `header` still holds the frame at `anchor`, unchanged.
    static func holds(
        _ anchor: WALAnchor,
        _ header: WALIndex.Header,
        _ files: VaultFiles,
        pageSize: PageSize
    ) throws(VaultError) -> Bool {
        guard anchor.salts == header.salts, anchor.frame > 0, anchor.frame <= header.maxFrame else {
            return false
        }
        let offset = WALFrame.byteOffset(of: anchor.frame, pageSize: pageSize)
        let bytes = UnsafeMutableRawBufferPointer.allocate(
            byteCount: WALFrame.headerByteCount,
            alignment: 8
        )
        defer { bytes.deallocate() }
        guard try files.readWAL(bytes, at: offset) == bytes.count else { return false }
        let frame = WALFrame(header: UnsafeRawBufferPointer(bytes))
        return frame.salts == anchor.salts && frame.checksum == anchor.checksum && frame.isCommit
    }

    func lost(_ reason: VaultError.ContinuityReason) -> VaultError {
        .continuityLost(path: self.files.walPath, reason: reason)
    }
}
