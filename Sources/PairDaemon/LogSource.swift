import Dispatch
import PairCore
import PairNet
import PairStore
import PairWAL
import PairWire
import Synchronization

/// The primary's end of one log connection: brings one secondary level and keeps it there.
///
/// A captured segment goes out from the capture's own thread when the secondary is level and has
/// credit; otherwise it stays in the log, and the pump sends it from there. So the application
/// never waits for the network, and memory holds no more than the credit.
final class LogSource: Sendable {
    /// What does not change over the life of the connection.
    struct Terms: Sendable {
        let vault: Vault
        /// Under which everything is sent.
        let epoch: Epoch
        let pageSize: PageSize
        /// Bytes per second for copies, as they are now; `nil` without limit.
        let copyRate: @Sendable () -> UInt64?
        /// Told of the bytes of segments and pages that go out.
        let shipped: @Sendable (Int) -> Void
        /// Where the peer's archives are kept.
        let archives: ArchiveStore
    }

    enum Report: Sendable {
        case planned(LogMessage.Plan)
        case progress(LogMessage.Progress)
        case copying(doneBytes: UInt64, totalBytes: UInt64)
        case copied(Position)
        case markHashes(id: UInt64, first: PageNumber, hashes: [UInt8])
        case markResult(LogMessage.MarkResult)
        /// An archive of the peer's is whole and on this node's disk.
        case archived(NodeRecord.Tail)
        /// The connection is of no more use and has been closed.
        case failed(String)
    }

    enum Phase: Equatable {
        /// Until the secondary has said what it has.
        case waiting
        /// The pump reads the log.
        case behind
        /// Everything in the log has been sent.
        case level
        case closed
    }

    struct State {
        var phase = Phase.waiting
        var cursor = SegmentStore.Cursor(after: .zero)
        var window = SendWindow(limit: 16 << 20)
        var isPumping = false
        var copy: PageCopy?
    }

    let terms: Terms
    let connection: PeerConnection
    let report: @Sendable (Report) -> Void
    let state = Mutex(State())
    let queue = DispatchQueue(label: "pair.log-source", qos: .userInitiated)

    init(
        terms: Terms,
        connection: PeerConnection,
        report: @escaping @Sendable (Report) -> Void
    ) {
        self.terms = terms
        self.connection = connection
        self.report = report
    }

    /// Takes a captured segment; called on the capture's thread, in order, after it is in the log.
    func deliver(_ segment: CapturedSegment) {
        let mustPump = self.state.withLock { state -> Bool in
            switch state.phase {
            case .waiting, .closed: return false
            case .behind:
                // The pump may rest until the whole of a transaction is in the log.
                return !segment.header.isOpenPart && state.window.admits(segment.bytes.count)
            case .level: break
            }
            // The pump may have found it in the log already.
            guard segment.header.last > state.cursor.txid else { return false }
            guard state.cursor.precedes(segment.header) else {
                // Its first parts came while the pump ran; or the log could not keep what lies
                // between, which ends the connection.
                state.phase = .behind
                return true
            }
            guard state.window.admits(segment.bytes.count) else {
                // The next acknowledgement starts the pump.
                state.phase = .behind
                return false
            }
            self.send(segment.bytes, segment.header, &state)
            return false
        }
        if mustPump { self.pump() }
    }

    /// Takes a message of the secondary; called on the connection's event loop.
    func receive(_ message: LogMessage) {
        switch message {
        case .request(let request): self.queue.async { self.answer(request) }
        case .progress(let progress): self.take(progress)
        case .wanted(let first, let bitmap): self.takeWish(first: first, bitmap: bitmap)
        case .markHashes(let id, let first, let hashes):
            self.report(.markHashes(id: id, first: first, hashes: hashes))
        case .markResult(let result): self.report(.markResult(result))
        case .archive(let piece): self.queue.async { self.take(piece) }
        case .plan, .segment, .hashes, .pages, .copied, .mark, .tick, .archived:
            self.fail("the peer sent a message that only a primary sends")
        }
    }

    /// Says where the primary is; for display on the other side only.
    func tick() {
        guard let captured = self.terms.vault.captured else { return }
        self.post(.tick(captured))
    }

    /// Lets the secondary compare its copy at this very place in the stream.
    ///
    /// `begun` gets the primary's own mark; it is called on the capture's thread.
    func mark(
        id: UInt64,
        full: Bool,
        begun: @escaping @Sendable (Result<Mark, VaultError>) -> Void
    ) {
        self.terms.vault.withMark { result in
            guard case .success(let mark) = result else { return begun(result) }
            let isSent = self.state.withLock { state in
                // Behind, the mark would overtake segments that are still in the log.
                guard state.phase == .level, state.copy == nil else { return false }
                self.post(.mark(id: id, mark.position, full: full))
                return true
            }
            guard isSent else {
                mark.end()
                return begun(.failure(.timedOut("the secondary to come level")))
            }
            begun(result)
        }
    }

    func close() { self.state.withLock { $0.phase = .closed } }

    func fail(_ reason: String) {
        self.close()
        self.connection.close()
        self.report(.failed(reason))
    }

    func post(_ message: LogMessage) {
        self.connection.send(type: message.kind.rawValue, payload: message.payload)
    }

    /// Keeps a piece of an archive, and says when the whole is safe.
    private func take(_ piece: LogMessage.ArchivePiece) {
        do throws(ArchiveError) {
            guard
                let tail = try self.terms.archives.receive(
                    id: piece.id,
                    file: piece.file,
                    at: piece.offset,
                    piece.bytes,
                    isLast: piece.isLast
                )
            else { return }
            self.post(.archived(id: tail.id))
            self.report(.archived(tail))
        } catch {
            self.fail("the peer's archive: \(error)")
        }
    }

    private func send(_ bytes: [UInt8], _ header: SegmentHeader, _ state: inout State) {
        state.window.send(bytes.count)
        self.terms.shipped(bytes.count)
        state.cursor.advance(past: header)
        self.connection.send(type: LogMessage.Kind.segment.rawValue, payload: bytes)
    }

    private func take(_ progress: LogMessage.Progress) {
        enum Next {
            case nothing, pump
            case fail(String)
        }
        let next = self.state.withLock { state -> Next? in
            if state.phase == .closed { return nil }
            if state.phase == .waiting, progress.applied != nil {
                // Whoever stood here before began it; the stream is asked for anew.
                return .fail("the peer follows a log that nobody sends it any more")
            }
            guard state.window.acknowledge(progress.takenBytes) else {
                return .fail("the peer acknowledged bytes that were never sent")
            }
            return state.phase == .behind || state.copy != nil ? .pump : .nothing
        }
        switch next {
        case .nothing: break
        case .pump: self.pump()
        case .fail(let reason): return self.fail(reason)
        case nil: return
        }
        self.report(.progress(progress))
    }

    /// Starts the pump unless it runs already.
    func pump() {
        let starts = self.state.withLock { state in
            guard !state.isPumping, state.phase == .behind || state.copy != nil else {
                return false
            }
            state.isPumping = true
            return true
        }
        if starts { self.queue.async { self.runPump() } }
    }

    /// Sends from the log while there is credit, and pages of the copy when the log is sent.
    private func runPump() {
        do {
            while true {
                let step = try self.pumpLog()
                if step == .stop { return }
                if step == .level, try !self.pumpCopy() { return }
            }
        } catch {
            self.state.withLock { $0.isPumping = false }
            self.fail("\(error)")
        }
    }

    private enum Step { case more, level, stop }

    private func pumpLog() throws -> Step {
        let (cursor, phase, hasCredit) = self.state.withLock {
            ($0.cursor, $0.phase, $0.window.admits(SegmentHeader.longestSegmentByteCount))
        }
        if phase == .closed { return .stop }
        if phase == .level { return .level }
        guard hasCredit else { return self.restUnlessCredit() }
        let segments = try self.terms.vault.log.segments(after: cursor, maxBytes: 4 << 20)
        return try self.state.withLock { state throws -> Step in
            for bytes in segments {
                let header = try SegmentHeader(decoding: bytes[...])
                guard state.window.admits(bytes.count) else { break }
                self.send(bytes, header, &state)
            }
            // Under the lock: `deliver` runs after the log has the segment, so none slips between.
            guard state.cursor.txid == self.terms.vault.log.newest?.txid else { return .more }
            guard state.cursor.isBoundary else {
                // The transaction's last part is not there yet; `deliver` starts another run then.
                state.isPumping = false
                return .stop
            }
            state.phase = .level
            return .level
        }
    }

    /// Ends the pump's run; the next acknowledgement starts another.
    ///
    /// - Returns: `.more` when credit came between the look at it and the lock.
    private func restUnlessCredit() -> Step {
        self.state.withLock { state in
            if state.window.admits(SegmentHeader.longestSegmentByteCount) { return .more }
            state.isPumping = false
            return .stop
        }
    }
}
