import PairCore
import PairWAL

/// The capture thread's own state and steps.
struct CaptureLoop: ~Copyable {
    let vault: AttachedVault
    let capture: WALCapture
    let log: SegmentStore
    let checkpointer: Checkpointer
    let rhythm: WALCapture.Rhythm
    let deliver: @Sendable (CapturedSegment) -> Void
    let report: @Sendable (CaptureEvent) -> Void

    private var assembler: CommitAssembler
    private let notifier: CommitNotifier
    /// The header up to which everything is captured.
    private var seen: WALIndex.Header
    private var tornSince: ContinuousClock.Instant?
    private var lastCommit = ContinuousClock.now
    private var lastIdentityCheck = ContinuousClock.now
    private var isIdleCheckpointDue = true
    private var writers = WriterWatch()

    init(
        vault: AttachedVault,
        capture: WALCapture,
        log: SegmentStore,
        checkpointer: Checkpointer,
        rhythm: WALCapture.Rhythm,
        assembler: CommitAssembler,
        header: WALIndex.Header,
        deliver: @escaping @Sendable (CapturedSegment) -> Void,
        report: @escaping @Sendable (CaptureEvent) -> Void
    ) throws(VaultError) {
        self.vault = vault
        self.capture = capture
        self.log = log
        self.checkpointer = checkpointer
        self.rhythm = rhythm
        self.assembler = assembler
        self.seen = header
        self.deliver = deliver
        self.report = report
        self.notifier = try CommitNotifier(path: vault.files.walPath, bell: capture.bell)
    }

    /// Runs a loop of the calling thread's own.
    static func outcome(
        of vault: AttachedVault,
        _ capture: WALCapture,
        _ log: SegmentStore,
        _ checkpointer: Checkpointer,
        _ assembler: consuming CommitAssembler,
        _ header: WALIndex.Header,
        foldingFrom base: WALAnchor?,
        _ deliver: @escaping @Sendable (CapturedSegment) -> Void,
        _ report: @escaping @Sendable (CaptureEvent) -> Void
    ) -> Result<WALCapture.End, VaultError> {
        do throws(VaultError) {
            var loop = try CaptureLoop(
                vault: vault,
                capture: capture,
                log: log,
                checkpointer: checkpointer,
                rhythm: WALCapture.Rhythm(),
                assembler: assembler,
                header: header,
                deliver: deliver,
                report: report
            )
            return loop.run(foldingFrom: base)
        } catch {
            return .failure(error)
        }
    }

    /// Runs until it is told to stop or something is wrong.
    ///
    /// - Parameter base: where the vault's history was left, when frames after it are to be folded
    ///   into one transaction first.
    mutating func run(foldingFrom base: WALAnchor?) -> Result<WALCapture.End, VaultError> {
        do throws(VaultError) {
            if let base { try self.fold(from: base) }
            // It has kept what is to be folded where it was.
            try self.vault.dropGuard()
            while true {
                let (looks, mustStop) = self.capture.progress.read {
                    ($0.requestedLooks, $0.mustStop)
                }
                let found = try self.look()
                if found { self.lastCommit = .now }
                if self.tornSince == nil {
                    self.completeLooks(looks)
                    // Not before: a connection that finds a torn header recovers by itself, and
                    // releases the checkpoint lock of this process with that.
                    self.setMarks()
                }
                if mustStop, self.tornSince == nil {
                    return .success(WALCapture.End(state: self.assembler.state, header: self.seen))
                }
                try self.rest()
            }
        } catch {
            return .failure(error)
        }
    }

    private func completeLooks(_ looks: UInt64) {
        let isNews = self.capture.progress.read { $0.completedLooks < looks }
        if isNews { self.capture.progress.update { $0.completedLooks = looks } }
    }

    // MARK: Looking

    /// Captures what the wal-index's header vouches for.
    ///
    /// - Returns: whether there was anything new.
    private mutating func look() throws(VaultError) -> Bool {
        guard let header = self.vault.files.index.header() else {
            try self.wonderAboutTornHeader()
            return false
        }
        self.tornSince = nil
        if header.maxFrame < self.vault.files.index.backfilledFrames,
            try self.vault.mendRestart(header)
        {
            self.report(.recovered(after: .zero))
        }
        guard header != self.seen else { return false }
        try self.consume(header)
        return true
    }

    /// Captures everything up to `header`, and nothing after it.
    private mutating func consume(_ header: WALIndex.Header) throws(VaultError) {
        let anchor = self.assembler.reader.anchor
        if header.salts != anchor.salts || (header.maxFrame > 0 && anchor.frame == 0) {
            try self.begin(header)
        } else if header.maxFrame < anchor.frame {
            throw self.assembler.reader.lost(
                .framesVanished(captured: anchor.frame, present: header.maxFrame)
            )
        }
        self.checkpointer.note(header)
        if header.maxFrame > self.assembler.reader.anchor.frame {
            // Under synchronous=NORMAL the application has not done it, and a power cut would
            // leave this node behind what its peer was told.
            try self.vault.files.syncWAL()
            try self.assemble(through: header.maxFrame)
            guard self.assembler.reader.anchor.checksum == header.checksum else {
                throw self.assembler.reader.lost(.frame(.frameChecksum(frame: header.maxFrame)))
            }
        }
        self.seen = header
        self.publish()
    }

    /// Goes to a new generation, after counting that no commit of the old one was missed.
    private mutating func begin(_ header: WALIndex.Header) throws(VaultError) {
        try self.assembler.begin(header)
        let seen = self.seen
        guard seen.salts != 0 else { return }
        // Recovery sets the counter back to zero; it keeps the generation, so no count is needed.
        let expected = header.changeCounter &- seen.changeCounter
        guard header.changeCounter >= seen.changeCounter, expected < 1_000_000 else { return }
        let found = try self.assembler.reader.commitCount(through: header.maxFrame)
        guard found >= expected else {
            throw self.assembler.reader.lost(.commitsMissing(expected: expected, found: found))
        }
    }

    private mutating func assemble(through frame: UInt32) throws(VaultError) {
        let (log, deliver, report, progress) = (
            self.log, self.deliver, self.report, self.capture.progress
        )
        try self.assembler.assemble(through: frame) { segment, anchor in
            Self.emit(segment, anchor, log, progress, deliver, report)
        }
    }

    private mutating func fold(from base: WALAnchor) throws(VaultError) {
        let (log, deliver, report, progress) = (
            self.log, self.deliver, self.report, self.capture.progress
        )
        let last = self.assembler.reader.anchor.frame
        try self.vault.files.syncWAL()
        try self.assembler.fold(from: base, through: last) { segment, anchor in
            Self.emit(segment, anchor, log, progress, deliver, report)
        }
    }

    private static func emit(
        _ segment: CapturedSegment,
        _ anchor: WALAnchor,
        _ log: SegmentStore,
        _ progress: Monitor<WALCapture.Progress>,
        _ deliver: (CapturedSegment) -> Void,
        _ report: (CaptureEvent) -> Void
    ) {
        do throws(SegmentStoreError) {
            try log.append(segment.bytes, anchor: anchor)
        } catch {
            report(.logFailed(error))
            // Without this segment the ones before it lead nowhere; the application goes on.
            if let position = segment.position { Self.restart(log, at: position, report) }
        }
        deliver(segment)
        guard let position = segment.position else { return }
        progress.update { progress in
            progress.anchor = anchor
            progress.position = position
        }
    }

    private static func restart(
        _ log: SegmentStore,
        at position: Position,
        _ report: (CaptureEvent) -> Void
    ) {
        do throws(SegmentStoreError) {
            try log.restart(at: position, goesOn: true)
        } catch {
            report(.logFailed(error))
        }
    }

    /// Tells waiting threads where the WAL stands, also when its generation has just begun.
    private func publish() {
        let anchor = self.assembler.reader.anchor
        guard self.capture.progress.read({ $0.anchor != anchor }) else { return }
        self.capture.progress.update { $0.anchor = anchor }
    }

    private mutating func wonderAboutTornHeader() throws(VaultError) {
        guard let since = self.tornSince else {
            self.tornSince = .now
            return
        }
        guard since.duration(to: .now) > self.rhythm.tornHeader,
            try self.vault.files.holder(of: .write, .exclusive) == nil
        else { return }
        try self.vault.recover()
        self.report(.recovered(after: since.duration(to: .now)))
        // Recovery counts commits from zero again.
        self.seen.changeCounter = 0
        self.tornSince = nil
    }

    // MARK: Marks

    private mutating func setMarks() {
        guard self.capture.progress.read({ !$0.marks.isEmpty }) else { return }
        let marks = self.capture.progress.update { progress in
            defer { progress.marks = [] }
            return progress.marks
        }
        for body in marks { self.mark(body) }
    }

    private mutating func mark(_ body: (Result<Mark, VaultError>) -> Void) {
        let result: Result<Mark, VaultError>
        do throws(VaultError) {
            let mark = try Mark(of: self.vault) { header throws(VaultError) in
                if header != self.seen { try self.consume(header) }
                return self.assembler.state
            }
            result = .success(mark)
        } catch {
            result = .failure(error)
        }
        body(result)
    }

    // MARK: Resting

    private mutating func watchWriters(_ now: ContinuousClock.Instant) throws(VaultError) {
        let longest = self.writers.longest
        self.writers.note(try self.vault.files.holder(of: .write, .exclusive), self.seen, at: now)
        let longer = self.writers.longest
        if longer > longest { self.capture.progress.update { $0.longestWriteHold = longer } }
    }

    private mutating func rest() throws(VaultError) {
        let now = ContinuousClock.now
        if self.lastIdentityCheck.duration(to: now) > self.rhythm.identity {
            self.lastIdentityCheck = now
            try self.vault.files.checkIdentity()
            try self.watchWriters(now)
        }
        let silence = self.lastCommit.duration(to: now)
        if silence < self.rhythm.quiet || self.tornSince != nil {
            self.isIdleCheckpointDue = true
            return StoreThread.pause(self.rhythm.interval)
        }
        if silence > self.rhythm.idle, self.isIdleCheckpointDue {
            self.isIdleCheckpointDue = false
            self.checkpointer.noteIdle()
        }
        // A commit may be on its way that has written its last frame and waits for its sync.
        if silence < self.rhythm.idle,
            try self.vault.files.holder(of: .write, .exclusive) != nil
        {
            return StoreThread.pause(.milliseconds(1))
        }
        let seen = self.seen
        let index = self.vault.files.index
        let happened = try self.notifier.wait(atMost: self.rhythm.longestRest) {
            index.header() == seen
        }
        if happened { self.lastCommit = .now }
    }
}
