import Dispatch
import PairCore
import PairNet
import PairStore
import PairWAL
import PairWire
import Synchronization

/// The secondary's end of one log connection: takes segments and pages in, in stream order.
///
/// The event loop only queues; one queue of its own applies whatever has come, as one batch, so
/// that one `fdatasync` serves many segments. The sender's credit bounds what can be queued.
final class LogSink: Sendable {
    enum Report: Sendable {
        /// The primary said how; a copy begins, or segments follow.
        case planned(LogMessage.Plan)
        /// Where this copy is now, and by how many transactions of the stream it has grown.
        case applied(Position, transactions: UInt64)
        case copying(doneBytes: UInt64, totalBytes: UInt64)
        /// A copy is whole, verified and in place.
        case copied(Position)
        /// The peer has the archive on its disk.
        case archived(id: String)
        case tick(Position)
        /// Every page was read anew from the disk; it was what the stream has brought, or not.
        case readAnew(isSound: Bool)
        /// `isContentUnknown`: the copy itself was not as expected, or could not be written.
        case failed(String, isContentUnknown: Bool)
    }

    private struct State {
        var pending: [LogMessage] = []
        var pendingBytes = 0
        var isDraining = false
        /// Nothing more is taken; what has come is still applied.
        var isClosed = false
    }

    /// What only the queue touches.
    private final class Work {
        var copy: (any CopySink)?
        var isStreaming = false
        var received = TXID.zero
        var applied: Position?
        var takenBytes: UInt64 = 0
        var copyTotalBytes: UInt64 = 0
        var copyDoneBytes: UInt64 = 0
    }

    private static let mostPendingBytes = 64 << 20

    private let vault: Vault
    private let archives: ArchiveStore
    private let connection: PeerConnection
    /// The primary's; a plan under another one is not what was wished for.
    private let epoch: Epoch
    private let report: @Sendable (Report) -> Void
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "pair.log-sink", qos: .userInitiated)
    private let markQueue = DispatchQueue(label: "pair.log-sink.marks", qos: .utility)
    /// Never signalled: a pause that the end of the program does not wait for.
    private let room = DispatchSemaphore(value: 0)
    // Touched on `queue` only.
    private nonisolated(unsafe) let work = Work()

    init(
        vault: Vault,
        archives: ArchiveStore,
        connection: PeerConnection,
        epoch: Epoch,
        report: @escaping @Sendable (Report) -> Void
    ) {
        self.vault = vault
        self.archives = archives
        self.connection = connection
        self.epoch = epoch
        self.report = report
    }

    /// Asks the primary for what is missing here.
    func begin(_ request: LogMessage.Request) { self.post(.request(request)) }

    /// Takes a message of the primary; called on the connection's event loop.
    func receive(_ message: LogMessage) {
        let isFlooded = self.state.withLock { state in
            guard !state.isClosed else {
                // It was meant for the end that stands here now, and is asked again on another
                // connection.
                if case .request = message { self.connection.close() }
                return false
            }
            state.pending.append(message)
            state.pendingBytes += message.bulkByteCount
            if !state.isDraining {
                state.isDraining = true
                self.queue.async { self.drain() }
            }
            return state.pendingBytes > Self.mostPendingBytes
        }
        if isFlooded {
            self.queue.async { self.fail("the peer sent more than the credit allows") }
        }
    }

    /// Takes nothing more; what has come by now is applied when this returns.
    func close() {
        self.state.withLock { $0.isClosed = true }
        self.queue.sync {
            self.drain()
            self.work.copy?.abandon()
            self.work.copy = nil
        }
    }

    private func post(_ message: LogMessage) {
        self.connection.send(type: message.kind.rawValue, payload: message.payload)
    }

    /// Gives the connection up; called on the queue.
    private func fail(_ reason: String, _ error: (any Error)? = nil) {
        self.state.withLock { state in
            state.isClosed = true
            state.pending = []
        }
        self.work.copy?.abandon()
        self.work.copy = nil
        let isContentUnknown: Bool =
            switch error as? VaultError {
            case nil, .attached?, .missing?: false
            default: true
            }
        // Before the end of the connection, which would be taken for an interruption.
        self.report(.failed(reason, isContentUnknown: isContentUnknown))
        self.connection.close()
    }

    private func drain() {
        while true {
            let batch = self.state.withLock { state -> [LogMessage] in
                defer {
                    state.pending = []
                    state.pendingBytes = 0
                }
                if state.pending.isEmpty { state.isDraining = false }
                return state.pending
            }
            guard !batch.isEmpty else { return }
            do {
                try self.take(batch)
            } catch {
                return self.fail("\(error)", error)
            }
        }
    }

    /// Sends an archive piece by piece, as fast as the connection takes it.
    func sendArchive(_ id: String) {
        self.markQueue.async {
            do throws(ArchiveError) {
                let files = try self.archives.files(of: id)
                for (index, file) in files.enumerated() {
                    let isLastFile = index == files.count - 1
                    try self.send(file.name, file.byteCount, of: id, isLastFile: isLastFile)
                }
            } catch {
                self.queue.async { self.fail("the archive: \(error)") }
            }
        }
    }

    private func send(
        _ file: String,
        _ byteCount: UInt64,
        of id: String,
        isLastFile: Bool
    ) throws(ArchiveError) {
        var offset: UInt64 = 0
        repeat {
            while !self.connection.isWritable {
                guard !self.state.withLock({ $0.isClosed }) else { return }
                _ = self.room.wait(timeout: .now() + .milliseconds(5))
            }
            let bytes = try self.archives.read(id, file: file, at: offset, atMost: 512 << 10)
            offset += UInt64(bytes.count)
            self.post(
                .archive(
                    LogMessage.ArchivePiece(
                        id: id,
                        file: file,
                        offset: offset - UInt64(bytes.count),
                        bytes: bytes,
                        isLast: isLastFile && offset >= byteCount
                    )
                )
            )
            if bytes.isEmpty { return }
        } while offset < byteCount
    }

    /// Takes messages in order, runs of segments together.
    private func take(_ batch: [LogMessage]) throws {
        var segments: [[UInt8]] = []
        for message in batch {
            if case .segment(let bytes) = message {
                segments.append(bytes)
                continue
            }
            try self.apply(&segments)
            try self.take(message)
        }
        try self.apply(&segments)
    }

    private func apply(_ segments: inout [[UInt8]]) throws {
        guard !segments.isEmpty else { return }
        let byteCount = segments.reduce(0) { $0 + $1.count }
        let before = self.work.applied?.txid ?? .zero
        if let copy = self.work.copy {
            for segment in segments { try copy.take(segment: segment) }
        } else if self.work.isStreaming {
            self.work.applied = try self.vault.apply(segments)
        } else {
            throw LogSinkError.unexpected("a segment before the plan")
        }
        segments = []
        self.acknowledge(byteCount)
        guard let applied = self.work.applied else { return }
        self.report(.applied(applied, transactions: applied.txid.distance(from: before)))
    }

    private func take(_ message: LogMessage) throws {
        switch message {
        case .plan(let plan): try self.begin(plan)
        case .hashes(let first, let hashes):
            guard let copy = self.work.copy else { throw LogSinkError.unexpected("hashes") }
            let bitmap = try copy.differing(first: first, shortHashes: hashes)
            self.work.copyTotalBytes +=
                bitmap.reduce(0) { $0 + UInt64($1.nonzeroBitCount) } * copy.pageByteCount
            self.acknowledge(hashes.count)
            self.post(.wanted(first: first, bitmap: bitmap))
        case .pages(let bytes): try self.takePages(bytes)
        case .copied(let position): try self.finishCopy(position)
        case .mark(let id, let position, let full): self.answerMark(id, position, full: full)
        case .archived(let id): self.report(.archived(id: id))
        case .tick(let position):
            self.acknowledge(0)
            self.report(.tick(position))
        case .segment, .request, .wanted, .progress, .markHashes, .markResult, .archive:
            throw LogSinkError.unexpected("a message that only a secondary sends")
        }
    }

    private func begin(_ plan: LogMessage.Plan) throws {
        guard plan.epoch == self.epoch else {
            throw LogSinkError.unexpected("a plan of epoch \(plan.epoch) instead of \(self.epoch)")
        }
        switch plan.way {
        case .refuse(let reason): throw LogSinkError.refused(reason)
        case .stream(let position):
            try self.vault.beginApplying(after: position)
            self.work.isStreaming = true
            self.work.applied = position
        case .delta:
            self.work.copy = try self.vault.beginDelta(pageCount: plan.pageCount)
        case .seed:
            self.work.copy = try self.vault.beginSeed(
                pageSize: plan.pageSize,
                pageCount: plan.pageCount
            )
            self.work.copyTotalBytes =
                UInt64(plan.pageCount) * UInt64(plan.pageSize.byteCount)
        }
        self.report(.planned(plan))
        self.acknowledge(0)
    }

    private func takePages(_ bytes: [UInt8]) throws {
        guard let copy = self.work.copy else { throw LogSinkError.unexpected("pages") }
        var reader = ByteReader(bytes)
        let pageByteCount = Int(copy.pageByteCount)
        while reader.remaining > 0 {
            let page = PageNumber(try reader.u32("page number"))
            try copy.take(page: page, image: try reader.bytes(pageByteCount, "page"))
        }
        self.work.copyDoneBytes += UInt64(bytes.count)
        self.acknowledge(bytes.count)
        self.report(
            .copying(doneBytes: self.work.copyDoneBytes, totalBytes: self.work.copyTotalBytes)
        )
    }

    private func finishCopy(_ position: Position) throws {
        guard let copy = self.work.copy else { throw LogSinkError.unexpected("the end of a copy") }
        try copy.finish(at: position)
        self.work.copy = nil
        self.work.isStreaming = true
        self.work.applied = position
        self.report(.copied(position))
        self.acknowledge(0)
        self.report(.applied(position, transactions: 0))
    }

    private func acknowledge(_ byteCount: Int) {
        self.work.takenBytes += UInt64(byteCount)
        let applied = self.work.copy == nil ? self.work.applied : nil
        let txid = applied?.txid ?? .zero
        // A batch is on the disk before it is readable, so the three are one here.
        self.post(
            .progress(
                LogMessage.Progress(
                    received: txid,
                    durable: txid,
                    applied: applied,
                    takenBytes: self.work.takenBytes
                )
            )
        )
    }

    /// Reads this copy at the mark's place in the stream; the stream itself goes on meanwhile.
    private func answerMark(_ id: UInt64, _ position: Position, full: Bool) {
        self.vault.withMark { result in
            self.markQueue.async {
                switch result {
                case .success(let mark):
                    self.compare(mark, id: id, full: full)
                    mark.end()
                case .failure(let error):
                    self.post(
                        .markResult(
                            LogMessage.MarkResult(
                                id: id,
                                position: position,
                                scanned: nil,
                                pageCount: 0,
                                integrity: "no mark: \(error)"
                            )
                        )
                    )
                }
            }
        }
    }

    private func compare(_ mark: Mark, id: UInt64, full: Bool) {
        var result = LogMessage.MarkResult(
            id: id,
            position: mark.position,
            scanned: nil,
            pageCount: mark.pageCount,
            integrity: nil
        )
        do {
            if full {
                let scan = try mark.scan()
                result.scanned = scan.digest
                result.integrity = try self.vault.integrityCheck()
                self.report(.readAnew(isSound: scan.digest == mark.position.digest))
                let hashes = scan.shortHashes
                for start in stride(from: 0, to: hashes.count, by: 16 * 16_384) {
                    let run = Array(hashes[start..<min(start + 16 * 16_384, hashes.count)])
                    self.post(
                        .markHashes(id: id, first: PageNumber(UInt32(start / 16 + 1)), hashes: run)
                    )
                }
            }
        } catch {
            result.integrity = "cannot read the copy: \(error)"
        }
        self.post(.markResult(result))
    }
}

/// Why the secondary gave up a log connection.
enum LogSinkError: Error, CustomStringConvertible {
    case unexpected(String)
    case refused(String)

    var description: String {
        switch self {
        case .unexpected(let what): "the primary sent what was not due: \(what)"
        case .refused(let reason): reason
        }
    }
}

extension LogMessage {
    /// The bytes that count against the credit.
    fileprivate var bulkByteCount: Int {
        switch self {
        case .segment(let bytes), .pages(let bytes): bytes.count
        case .hashes(_, let hashes): hashes.count
        case .request, .wanted, .progress, .markHashes, .markResult, .plan, .copied, .mark, .tick,
            .archive, .archived:
            64
        }
    }
}
