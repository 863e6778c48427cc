package import PairCore
import PairWAL
import Synchronization

extension Vault {
    /// Starts to capture what the application commits.
    ///
    /// Begins at the state that ``attach(_:timeout:)`` found or that applying has left. What was
    /// committed since then, and commits that are missing from the end of the log, come first, the
    /// latter as one transaction.
    ///
    /// - Parameters:
    ///   - epoch: of all transactions to come.
    ///   - position: where in history the vault is. When the log does not end there it begins anew.
    ///   - deliver: called on the capture thread, in order, once the commits are on this node's
    ///     disk and the segment is in the log.
    ///   - report: called on a thread of the store's.
    /// - Throws: `.notRunning` when the vault is not attached, or is captured or applied to already;
    ///   `.digestMismatch` when `position` is not the state of the vault.
    package func startCapture(
        epoch: Epoch,
        at position: Position,
        deliver: @escaping @Sendable (CapturedSegment) -> Void,
        report: @escaping @Sendable (CaptureEvent) -> Void
    ) throws(VaultError) {
        let vault = try self.attached()
        guard let rest = self.takeRest() else { throw .notRunning("a vault at rest") }
        do throws(VaultError) {
            try self.start(vault, rest, epoch, at: position, deliver, report)
        } catch {
            self.put(rest)
            throw error
        }
    }

    private func start(
        _ vault: AttachedVault,
        _ rest: Rest,
        _ epoch: Epoch,
        at position: Position,
        _ deliver: @escaping @Sendable (CapturedSegment) -> Void,
        _ report: @escaping @Sendable (CaptureEvent) -> Void
    ) throws(VaultError) {
        let isFolding = rest.foldBase != nil && position == self.log.newest
        guard isFolding || position.digest == rest.pages.digest else {
            throw .digestMismatch(
                txid: position.txid,
                expected: position.digest,
                found: rest.pages.digest
            )
        }
        if self.log.newest != position {
            do throws(SegmentStoreError) {
                let goesOn = self.attachment?.isOfTheLog ?? false
                try self.log.restart(at: position, goesOn: goesOn)
            } catch {
                throw .log(error)
            }
        }
        let start = Position(epoch: epoch, txid: position.txid, digest: position.digest)
        let state = CapturedState(
            pages: rest.pages,
            position: start,
            anchor: rest.header.anchor
        )
        let capture = try WALCapture(from: state)
        let checkpointer = Checkpointer(vault, capture: capture, report: report)
        let log = self.log
        let foldBase = isFolding ? rest.foldBase : nil
        StoreThread.start("pair-capture") {
            do throws(VaultError) {
                try self.remember(vault, rest.pages, at: start, salts: rest.header.salts)
            } catch {
                // The next gap counts as another vault; nothing is lost by that.
                report(.sampleFailed(error))
            }
            let reader = FrameReader(
                vault.files,
                pageSize: vault.pageSize,
                anchor: rest.header.anchor,
                isBigEndian: rest.header.hasBigEndianChecksums
            )
            let outcome = CaptureLoop.outcome(
                of: vault,
                capture,
                log,
                checkpointer,
                CommitAssembler(state, reader: reader),
                rest.header,
                foldingFrom: foldBase,
                deliver,
                report
            )
            capture.end(with: outcome)
            if case .failure(let error) = outcome { report(.stopped(error)) }
        }
        checkpointer.start()
        self.state.withLock { state in
            state.capture = capture
            state.checkpointer = checkpointer
        }
    }

    /// The newest position that has been captured; `nil` while nothing captures.
    package var captured: Position? { self.state.withLock { $0.capture }?.position }

    /// The longest that an application has kept others from writing since capture began, as far as
    /// looks every 50 ms, at rest every 500 ms, can tell; `nil` while nothing captures.
    package var longestWriteHold: Duration? {
        self.state.withLock { $0.capture }?.progress.read { $0.longestWriteHold }
    }

    /// Waits until everything that is committed now has been delivered.
    ///
    /// - Throws: `.timedOut`, `.notRunning`, and why capture has ended.
    package func captureNow(timeout: Duration) throws(VaultError) -> Position {
        try self.runningCapture().look(atMost: timeout)
    }

    /// Calls `body` on the capture thread with the newest state, held readable.
    ///
    /// No segment is delivered between the mark's position and the end of `body`. The mark may
    /// be used on another thread afterwards; whoever gets it ends it.
    package func withMark(
        _ body: @escaping @Sendable (Result<Mark, VaultError>) -> Void
    ) {
        if let applier = self.state.withLock({ $0.applier }) { return applier.withMark(body) }
        do throws(VaultError) {
            try self.runningCapture().mark(body)
        } catch {
            body(.failure(error))
        }
    }

    /// Ends capture, after everything that is committed has been delivered.
    ///
    /// The vault stays in custody, and the gate as it is. When the next role begins, commits that an
    /// open gate has let in meanwhile are not lost: they follow in the WAL.
    ///
    /// - Returns: where that leaves the vault, named as in the log if that ends there; `nil` when
    ///   nothing was captured, or capture had ended by itself.
    @discardableResult
    package func stop() -> Position? {
        self.stopApplying()
        let (capture, checkpointer) = self.state.withLock { state in
            defer {
                state.capture = nil
                state.checkpointer = nil
            }
            return (state.capture, state.checkpointer)
        }
        checkpointer?.stop()
        guard case .success(let end)? = capture?.stop() else { return nil }
        self.put(Rest(pages: end.state.pages, header: end.header, foldBase: nil))
        let position = end.state.position
        // Whoever serves no more cannot capture again what the log might lose with the power.
        try? self.log.sync()
        let kept = self.log.position(at: position.txid)
        return kept?.digest == position.digest ? kept : position
    }

    /// Why capture has ended by itself, which it also reports; `nil` while it goes on, and without it.
    package var captureFailure: VaultError? {
        self.state.withLock { $0.capture }?.progress.read { progress in
            if case .failure(let error) = progress.outcome { error } else { nil }
        }
    }

    private func runningCapture() throws(VaultError) -> WALCapture {
        guard let capture = self.state.withLock({ $0.capture }) else {
            throw .notRunning("capture")
        }
        return capture
    }

    /// Hands over the state of the vault to whoever changes it next.
    func takeRest() -> Rest? {
        self.state.withLock { state in
            defer { state.rest = nil }
            return state.rest
        }
    }

    func put(_ rest: Rest) { self.state.withLock { $0.rest = rest } }
}
