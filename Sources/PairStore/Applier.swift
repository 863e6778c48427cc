import Glibc
import PairCore
import PairWAL
import Synchronization

/// Repeats the primary's transactions in the secondary's vault, where readers see them at once.
///
/// A batch of segments becomes one commit of the vault's own WAL, appended under the WRITE lock that
/// the closed gate holds anyway, so that readers keep their snapshots and never wait. The order makes
/// every moment one to die at:
///
/// 1. All segments are checked: format, order, epoch, digests before and after.
/// 2. Their records go to the log, and the log is synced. From now on the new state's digest can be
///    found there.
/// 3. The frames go to the WAL, and the WAL is synced. From now on recovery adopts them.
/// 4. The header is published. From now on readers see them.
///
/// At the next start the vault's digest says which of it has happened, and the log is cut there. Page
/// 1 always carries the marker, so that no state of this vault can be written to by anybody else.
///
/// A failure of the disk ends the applier: after a failed sync nothing is known about the file, so
/// nothing is tried again, and only a new start, which reads everything, can go on.
final class Applier: Sendable {
    let vault: AttachedVault
    let log: SegmentStore
    let state: Mutex<State>
    let pacer: CheckpointPacer
    /// As it was after the last batch, for those who cannot wait for the syncs of the next one.
    private let shown: Mutex<Shown>

    private struct Shown {
        var position: Position?
        var failure: VaultError?
    }

    struct State {
        var appender: WALAppender
        var pages: PageMap
        /// `nil` until the primary has said where the copy stands.
        var position: Position?
        var parts: Parts?
        /// While it lasts nothing else is applied.
        var copy: Copy?
        /// Where the WAL stood at the last checkpoint.
        var checkpointedFrame: UInt32 = 0
        var failure: VaultError?
        let hasher = PageHasher()
    }

    /// A transaction whose closing part is not there yet; its frames are in the WAL, unpublished.
    struct Parts {
        var first: SegmentHeader
        var nextIndex: UInt32
        var pending: PendingPages
    }

    /// Begins with a vault whose gate is closed and whose pages have been read.
    ///
    /// - Parameters:
    ///   - pages: of the state that the WAL's header vouches for.
    ///   - position: of that state; `nil` while unknown.
    init(
        _ vault: AttachedVault,
        log: SegmentStore,
        pages: PageMap,
        position: Position?
    ) throws(VaultError) {
        self.vault = vault
        self.log = log
        self.pacer = CheckpointPacer()
        self.shown = Mutex(Shown(position: position))
        self.state = Mutex(
            State(
                appender: try WALAppender(vault.files, pageSize: vault.pageSize),
                pages: pages,
                position: position
            )
        )
        self.startCheckpointing()
    }

    deinit { self.pacer.stop() }

    /// The newest position that readers see; `nil` while it is unknown.
    var applied: Position? { self.shown.withLock { $0.position } }

    /// Why nothing can be applied any more; `nil` while it can.
    var failure: VaultError? { self.shown.withLock { $0.failure } }

    /// The hashes of all pages, as readers see them.
    var pages: PageMap { self.state.withLock { $0.pages } }

    /// Names the position of the state that the vault is in, as both nodes have agreed.
    ///
    /// The log is cut there, or begins there if it did not hold the position.
    ///
    /// - Throws: `.digestMismatch` when the vault is not in that state.
    func begin(after position: Position) throws(VaultError) {
        try self.exclusively { state throws(VaultError) in
            guard state.pages.digest == position.digest else {
                throw .digestMismatch(
                    txid: position.txid,
                    expected: position.digest,
                    found: state.pages.digest
                )
            }
            state.parts = nil
            state.copy = nil
            try state.appender.begin()
            try Self.align(self.log, at: position)
            state.position = position
        }
    }

    /// Applies segments that follow, as one commit; durable and readable when it returns.
    ///
    /// The parts of a transaction that is not closed yet are kept in the WAL, unseen.
    ///
    /// - Returns: the newest position that readers see.
    /// - Throws: `.segment`, `.outOfOrder`, `.digestMismatch` when the segments are not what follows;
    ///   the vault is then as it was. `.system`, `.log` when the disk fails.
    func apply(_ segments: [[UInt8]]) throws(VaultError) -> Position {
        let position = try self.exclusively { state throws(VaultError) -> Position in
            guard var position = state.position else { throw .notRunning("applying") }
            guard state.copy == nil else { throw .notRunning("applying") }
            var views: [SegmentView] = []
            for bytes in segments { views.append(try SegmentView(checking: bytes)) }
            var rest = views[...]
            while !rest.isEmpty {
                // Whole segments together; the parts of a big transaction one by one.
                let count = max(1, rest.prefix { $0.header.part == .whole }.count)
                let batch = rest.prefix(count)
                rest = rest.dropFirst(count)
                if batch.first?.header.part == .whole {
                    try self.apply(batch, &state)
                } else if let part = batch.first {
                    try self.apply(part: part, &state)
                }
                position = state.position ?? position
            }
            self.noteCommit(state)
            return position
        }
        return position
    }

    /// Calls `body` with the newest state, held readable, between two batches.
    func withMark(_ body: @Sendable (Result<Mark, VaultError>) -> Void) {
        self.state.withLock { state in
            do throws(VaultError) {
                if let failure = state.failure { throw failure }
                guard let position = state.position else { throw .notRunning("applying") }
                let (pages, anchor) = (state.pages, state.appender.published.anchor)
                let mark = try Mark(of: self.vault) { _ in
                    CapturedState(pages: pages, position: position, anchor: anchor)
                }
                body(.success(mark))
            } catch {
                body(.failure(error))
            }
        }
    }

    /// What the applier leaves to whoever writes to the vault next.
    struct End: Sendable {
        var pages: PageMap
        /// Vouches for ``pages``.
        var header: WALIndex.Header
        var position: Position?
    }

    /// Ends applying and checkpointing; the applier is of no more use.
    func stop() -> Result<End, VaultError> {
        self.pacer.stop()
        // A pass under way would take the checkpoint lock back when nobody wants it any more.
        self.pacer.waitForEnd()
        return self.state.withLock { state in
            if let failure = state.failure { return .failure(failure) }
            state.failure = .notRunning("applying")
            return .success(
                End(
                    pages: state.pages,
                    header: state.appender.published,
                    position: state.position
                )
            )
        }
    }

    func exclusively<Answer: Sendable>(
        _ body: (inout State) throws(VaultError) -> Answer
    ) throws(VaultError) -> Answer {
        try self.state.withLock { state throws(VaultError) in
            if let failure = state.failure { throw failure }
            defer { self.show(state) }
            do throws(VaultError) {
                return try body(&state)
            } catch {
                if error.isOfTheDisk { state.failure = error }
                throw error
            }
        }
    }

    func show(_ state: State) {
        self.shown.withLock { $0 = Shown(position: state.position, failure: state.failure) }
    }

    static func align(_ log: SegmentStore, at position: Position) throws(VaultError) {
        do throws(SegmentStoreError) {
            // The epoch is a name that both nodes agree upon; what counts is the state.
            if let kept = log.position(at: position.txid), kept.digest == position.digest,
                kept.epoch <= position.epoch
            {
                try log.truncate(after: position.txid)
            } else {
                try log.restart(at: position)
            }
        } catch {
            throw .log(error)
        }
    }
}

extension VaultError {
    /// Whether nothing is known any more about what is on the disk.
    var isOfTheDisk: Bool {
        switch self {
        case .system, .log, .replaced, .headerDamaged: true
        default: false
        }
    }
}
