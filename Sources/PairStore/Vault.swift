package import PairCore
import PairWAL
import Synchronization

/// The vault of this node: the application's database, and the log of how it came to be.
///
/// One per vault and process; its descriptors live as long as the process (``VaultFiles``). It is
/// attached once, and then serves one role at a time: it captures what the application commits
/// (`Vault+Primary.swift`), or applies what the peer has captured (`Vault+Secondary.swift`).
/// Thread-safe, and every call may block on the disk, so none belongs on a cooperative thread.
package final class Vault: Sendable {
    package let configuration: Configuration
    package let log: SegmentStore
    let state = Mutex(State())
    /// The file that says so is there.
    let overwriting = Mutex(false)

    package struct Configuration: Hashable, Sendable {
        package var path: String
        package var logDirectory: String
        /// For what is staged and what is moved aside; on the same file system as the vault.
        package var stateDirectory: String
        package var retentionBytes: Int
        package var retentionAge: Duration

        package init(
            path: String,
            logDirectory: String,
            stateDirectory: String,
            retentionBytes: Int = 1 << 30,
            retentionAge: Duration = .seconds(24 * 3_600)
        ) {
            self.path = path
            self.logDirectory = logDirectory
            self.stateDirectory = stateDirectory
            self.retentionBytes = retentionBytes
            self.retentionAge = retentionAge
        }
    }

    struct State {
        var vault: AttachedVault?
        /// What the vault holds while neither capture nor apply is at work.
        var rest: Rest?
        var capture: WALCapture?
        var checkpointer: Checkpointer?
        var attachment: Attachment?
        var applier: Applier?
    }

    /// A state of the vault between two roles.
    struct Rest {
        var pages: PageMap
        /// Vouches for ``pages``; what follows it in the WAL is not in them.
        var header: WALIndex.Header
        /// Where the log was left, when only the frames after it are missing from the log.
        var foldBase: WALAnchor?
    }

    /// Opens the log; the vault itself is not touched before ``attach(_:timeout:)``.
    package init(_ configuration: Configuration) throws(VaultError) {
        self.configuration = configuration
        HardwareChecksum.install()
        do throws(SegmentStoreError) {
            self.log = try SegmentStore(
                directory: configuration.logDirectory,
                retentionBytes: configuration.retentionBytes,
                retentionAge: configuration.retentionAge
            )
        } catch {
            throw .log(error)
        }
    }

    package enum AttachMode: Hashable, Sendable {
        /// The application may write: primary, or alone.
        case open
        /// It may not; `marked` says whether the marker must be there or must not.
        case closed(marked: Bool)
    }

    /// What was found when the vault was attached.
    package struct Attachment: Hashable, Sendable {
        package var pageSize: PageSize
        package var pageCount: UInt32
        /// Of the state that was found.
        package var scannedDigest: VaultDigest
        /// Where in history that state is, or where it was left by transactions that
        /// ``Vault/startCapture(epoch:at:deliver:report:)`` will fold into one; `nil` when nothing
        /// proves it.
        package var position: Position?
        /// The application has committed since ``position``; the log shows what.
        package var hasUnloggedCommits: Bool
        package var hasTables: Bool
        /// As found, before anything was done about it.
        package var wasMarked: Bool
        package var isOnOverlay: Bool
        /// What was found is another file or an older state, as far as can be told.
        ///
        /// Never set where ``position`` is known.
        package var isReplaced = false
        /// What was found went through what the log holds, though commits may be missing from that.
        package var isOfTheLog: Bool { self.position != nil || self.hasDescent }
        /// Pages, salts and counters say that it descends from what the log led to.
        var hasDescent = false

        /// The log exists and does not lead to what was found.
        package var isGap: Bool { self.position == nil }
    }

    /// Takes the vault into custody and finds out what it holds; reads all of it.
    ///
    /// A gate that is to be closed and is so already stays closed, whatever happens.
    ///
    /// - Parameter timeout: how long to wait for transactions and checkpoints that are under way.
    /// - Throws: why the vault cannot be served; nothing is held then but a gate that is to be closed.
    package func attach(
        _ mode: AttachMode,
        timeout: Duration = .seconds(10)
    ) throws(VaultError) -> Attachment {
        try self.attach(mode, timeout: timeout, written: nil)
    }

    /// Takes a vault into custody that has just been written here.
    ///
    /// - Parameter pages: of the bare file; read again only if anybody has written to it since.
    func attach(
        _ mode: AttachMode,
        timeout: Duration = .seconds(10),
        written pages: PageMap?
    ) throws(VaultError) -> Attachment {
        let keepsGate = mode != .open
        self.detach(keepsGate: keepsGate)
        let before = VaultFiles.openedBefore(self.configuration.path)
        let finding = try self.preflight(before?.isIndexDisplaced == true ? nil : before, timeout)
        let files = try VaultFiles.opened(self.configuration.path)
        // The gate of a file that is not the vault any more stays as it is, and with it the descriptors:
        // whoever still has it open would write for nobody.
        let vault = AttachedVault(
            files,
            pageSize: finding.pageSize,
            anchor: finding.connection
        )
        do throws(VaultError) {
            try vault.takeCustody(atMost: timeout)
            try files.checkIdentity()
            // From here on every change of the database is compared with this.
            _ = vault.isTamperedWith
            if case .closed = mode { try vault.gate.close(atMost: timeout) }
            let (rest, wasMarked) = try self.survey(vault, mode, timeout, written: pages)
            return try self.conclude(vault, finding, mode, rest, wasMarked: wasMarked)
        } catch {
            try vault.releaseCustody(keepsGate: keepsGate)
            throw error
        }
    }

    private func preflight(
        _ files: VaultFiles?,
        _ timeout: Duration
    ) throws(VaultError) -> Preflight.Finding {
        let path = self.configuration.path
        guard let files, Gate.of(files).isClosed, files.index.header() == nil else {
            return try Preflight.run(path, busyTimeout: timeout)
        }
        // SQLite mends a wal-index under the WRITE lock, which a closed gate holds.
        var finding: Preflight.Finding?
        try Gate.of(files).withLockReleased { () throws(VaultError) in
            // For as short as it can be: somebody who is faster may write.
            finding = try Preflight.run(path, busyTimeout: .milliseconds(100))
        }
        guard let finding else { throw .headerDamaged(path: files.shmPath) }
        return finding
    }

    /// Ends whatever is at work and gives custody back.
    package func detach() { self.detach(keepsGate: false) }

    private func detach(keepsGate: Bool) {
        self.stop()
        // What is remembered of it counts at the next attaching.
        _ = self.isTamperedWith
        let vault = self.state.withLock { state in
            defer { state = State() }
            return state.vault
        }
        do throws(VaultError) {
            try vault?.releaseCustody(keepsGate: keepsGate)
            // An attaching that failed may have left it closed.
            if !keepsGate, let files = VaultFiles.openedBefore(self.configuration.path) {
                try AttachedVault.openGate(of: files)
            }
        } catch {
            // Unlocking fails only for a descriptor that is not open, and then nothing is held.
        }
    }

    /// Makes the marker agree with `mode`, and reads the whole vault at a snapshot.
    private func survey(
        _ vault: AttachedVault,
        _ mode: AttachMode,
        _ timeout: Duration,
        written known: PageMap?
    ) throws(VaultError) -> (Rest, wasMarked: Bool) {
        // What the application has committed without us may be in the WAL alone.
        _ = try vault.tryGuard()
        let wasMarked = try vault.hasMarker()
        switch mode {
        case .open where wasMarked:
            try vault.gate.close(atMost: timeout)
            try vault.setMarker(false)
            try vault.gate.open()
        case .closed(let marked) where marked != wasMarked:
            try vault.setMarker(marked)
            if marked { try vault.checkpointMarker() }
        case .open, .closed: break
        }
        let connection = try vault.borrowConnection()
        defer { vault.giveBack(connection) }
        let snapshot = try Snapshot(
            of: vault.files,
            through: connection,
            pageSize: vault.pageSize
        )
        defer { snapshot.end() }
        let isUntouched =
            snapshot.header.maxFrame == 0 && snapshot.pageCount == known?.pageCount && wasMarked
        let pages = if isUntouched, let known { known } else { try snapshot.scan().pages }
        return (Rest(pages: pages, header: snapshot.header), wasMarked)
    }

    /// Looks for the state that was found in the log.
    private func conclude(
        _ vault: AttachedVault,
        _ finding: Preflight.Finding,
        _ mode: AttachMode,
        _ found: Rest,
        wasMarked: Bool
    ) throws(VaultError) -> Attachment {
        var rest = found
        var isOverwritten = self.wasOverwritten
        var position = self.log.newest.flatMap { $0.digest == rest.pages.digest ? $0 : nil }
        if position == nil, !isOverwritten, let entry = try self.newestInWAL(rest.header, vault) {
            switch try self.continuation(of: rest, from: entry, vault) {
            case .proven:
                position = entry.position
                rest.foldBase = entry.anchor
            case .impossible: isOverwritten = true
            case .unknown: break
            }
        }
        // Nobody but the applier can have changed a vault that was marked. It logs before it
        // commits, so an older state than the log's newest is one that a crash has left.
        if position == nil, wasMarked, case .closed(marked: true) = mode {
            position = self.log.position(withDigest: rest.pages.digest)
        }
        var attachment = Attachment(
            pageSize: vault.pageSize,
            pageCount: rest.pages.pageCount,
            scannedDigest: rest.pages.digest,
            position: position,
            hasUnloggedCommits: rest.foldBase != nil,
            hasTables: finding.hasTables,
            wasMarked: wasMarked,
            isOnOverlay: finding.isOnOverlay
        )
        if position == nil, mode != .closed(marked: true), self.log.newest != nil {
            attachment.isReplaced = isOverwritten
            if !isOverwritten { attachment.isReplaced = try self.isReplaced(vault, by: rest) }
            attachment.hasDescent = !attachment.isReplaced
        }
        self.state.withLock { state in
            state.vault = vault
            state.rest = rest
            state.attachment = attachment
        }
        return attachment
    }

    /// The newest transaction of the log, if the frame that ends it is in the WAL.
    private func newestInWAL(
        _ header: WALIndex.Header,
        _ vault: AttachedVault
    ) throws(VaultError) -> SegmentStore.Entry? {
        let entry: SegmentStore.Entry?
        do throws(SegmentStoreError) {
            entry = try self.log.newestEntry(where: { entry in
                Self.isInWAL(entry.anchor, header, vault)
            })
        } catch {
            throw .log(error)
        }
        return entry?.position == self.log.newest ? entry : nil
    }

    private static func isInWAL(
        _ anchor: WALAnchor,
        _ header: WALIndex.Header,
        _ vault: AttachedVault
    ) -> Bool {
        do throws(VaultError) {
            return try FrameReader.holds(anchor, header, vault.files, pageSize: vault.pageSize)
        } catch {
            return false
        }
    }

    /// The vault in custody.
    ///
    /// - Throws: `.notRunning` before ``attach(_:timeout:)``.
    func attached() throws(VaultError) -> AttachedVault {
        guard let vault = self.state.withLock({ $0.vault }) else {
            throw .notRunning("the vault's custody")
        }
        return vault
    }

    /// Whether applications are kept from writing by layer 1.
    package var isGateClosed: Bool {
        self.state.withLock { $0.vault }?.gate.isClosed ?? false
    }

    /// Keeps applications from writing, once the transaction under way has ended.
    ///
    /// - Throws: `.writerDoesNotFinish`; the gate then closes as soon as it can.
    package func closeGate(timeout: Duration) throws(VaultError) {
        try self.attached().gate.close(atMost: timeout)
    }

    package func openGate() throws(VaultError) { try self.attached().gate.open() }

    /// The descriptor whose open file description holds layer 1, for a process that is to keep the
    /// gate closed when this one dies.
    package func gateDescriptor() throws(VaultError) -> Int32 { try self.attached().files.shm }
}
