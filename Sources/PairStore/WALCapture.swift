import PairCore
import PairWAL

/// What the capture has to say besides segments.
package enum CaptureEvent: Sendable {
    /// A writer died while it published a commit; the wal-index has been rebuilt.
    case recovered(after: Duration)
    /// A segment was delivered but could not be kept; the log begins anew after it.
    case logFailed(SegmentStoreError)
    /// What the vault is known by could not be kept: after the next gap it counts as another one.
    case sampleFailed(VaultError)
    /// A checkpoint failed; the next one is tried later.
    case checkpointFailed(VaultError)
    /// The WAL has grown beyond its limit because somebody reads an old state.
    case walPinned(frames: UInt32)
    /// Capture has ended: what is committed from now on is not seen. The vault must be attached anew.
    case stopped(VaultError)
}

/// Turns every commit of the application into segments, without a gap, on a thread of its own.
///
/// SQLite publishes a commit in the wal-index's header, and we follow that header: what lies beyond
/// it in the file may be a transaction under way, or one whose sync failed. Nobody can restart the
/// WAL before we have its frames, because restarting needs a complete backfill, and backfilling is
/// ours (``Checkpointer``). So a gap is impossible as long as custody holds; salts, checksums and
/// the count of commits prove after the fact that it did.
final class WALCapture: Sendable {
    /// When the thread looks, and when it rests.
    struct Rhythm: Sendable {
        /// Between two looks while commits come.
        var interval: Duration = .microseconds(200)
        /// Without commits for this long the thread waits for the WAL to be written to.
        var quiet: Duration = .milliseconds(100)
        /// The longest rest: nothing that an event should have told is missed for longer.
        var longestRest: Duration = .milliseconds(500)
        /// Without commits for this long the WAL is copied into the database.
        var idle: Duration = .seconds(3)
        /// A header that stays invalid for this long has lost its writer.
        var tornHeader: Duration = .milliseconds(10)
        /// Between two looks at the files' identities.
        var identity: Duration = .milliseconds(50)
    }

    struct Progress: Sendable {
        var anchor: WALAnchor
        var position: Position
        /// Looks that others have asked for, and the newest that has been taken.
        var requestedLooks: UInt64 = 0
        var completedLooks: UInt64 = 0
        var marks: [@Sendable (Result<Mark, VaultError>) -> Void] = []
        var mustStop = false
        var longestWriteHold = Duration.zero
        /// Set once, when the thread has ended.
        var outcome: Result<End, VaultError>?
    }

    /// What capture leaves to whoever writes to the vault next.
    struct End: Sendable {
        var state: CapturedState
        /// Vouches for ``state``.
        var header: WALIndex.Header
    }

    let progress: Monitor<Progress>
    let bell: Bell

    init(from state: CapturedState) throws(VaultError) {
        self.progress = Monitor(Progress(anchor: state.anchor, position: state.position))
        self.bell = try Bell()
    }

    var position: Position { self.progress.read { $0.position } }

    /// Waits until everything that is committed now has been delivered.
    ///
    /// - Throws: `.timedOut`, and why capture has ended.
    func look(atMost timeout: Duration) throws(VaultError) -> Position {
        let wanted = self.progress.update { progress in
            progress.requestedLooks += 1
            return progress.requestedLooks
        }
        self.bell.ring()
        let answer = self.progress.wait(atMost: timeout) {
            progress -> Result<Position, VaultError>? in
            if progress.completedLooks >= wanted { return .success(progress.position) }
            switch progress.outcome {
            case .failure(let error): return .failure(error)
            case .success: return .failure(.notRunning("capture"))
            case nil: return nil
            }
        }
        guard let answer else { throw .timedOut("capturing what is committed") }
        return try answer.get()
    }

    /// Has `body` run on the capture thread with a mark of the newest state.
    func mark(_ body: @escaping @Sendable (Result<Mark, VaultError>) -> Void) {
        let ended = self.progress.update { progress -> VaultError? in
            switch progress.outcome {
            case .failure(let error): return error
            case .success: return .notRunning("capture")
            case nil:
                progress.marks.append(body)
                return nil
            }
        }
        if let ended { body(.failure(ended)) } else { self.bell.ring() }
    }

    /// Ends the thread after one last look.
    ///
    /// - Returns: what has been captured, for whoever writes to the vault next.
    func stop() -> Result<End, VaultError> {
        self.progress.update { $0.mustStop = true }
        self.bell.ring()
        return self.progress.wait { $0.outcome } ?? .failure(.notRunning("capture"))
    }

    /// Takes note that the thread has ended; marks that were asked for too late get an error.
    func end(with outcome: Result<End, VaultError>) {
        let marks = self.progress.update { progress in
            progress.outcome = outcome
            defer { progress.marks = [] }
            return progress.marks
        }
        for body in marks {
            switch outcome {
            case .success: body(.failure(.notRunning("capture")))
            case .failure(let error): body(.failure(error))
            }
        }
    }

    /// Waits until the frames up to `frame` of the generation `salts` are captured.
    func waitForFrame(_ frame: UInt32, salts: UInt64, atMost timeout: Duration) -> Bool {
        self.bell.ring()
        return self.progress.wait(atMost: timeout) { progress -> Bool? in
            if progress.outcome != nil { return false }
            return progress.anchor.salts == salts && progress.anchor.frame >= frame ? true : nil
        } ?? false
    }
}
