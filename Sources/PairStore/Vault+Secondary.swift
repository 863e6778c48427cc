package import PairCore
import PairWAL
import Synchronization

// The secondary's calls. The vault has been attached with `.closed(marked: true)`: nobody else can
// write to it, with or without a daemon.

extension Vault {
    /// The newest position that readers of this copy see; `nil` while nothing is applied.
    package var applied: Position? { self.state.withLock { $0.applier }?.applied }

    /// Why nothing can be applied any more until the vault is attached anew; `nil` while it can.
    package var applyFailure: VaultError? { self.state.withLock { $0.applier }?.failure }

    /// Gets ready to apply what follows `position`, which both nodes have found this copy to be in.
    ///
    /// - Throws: `.digestMismatch` when the copy is not in that state, `.notRunning` when it is not
    ///   attached, or is captured.
    package func beginApplying(after position: Position) throws(VaultError) {
        try self.startedApplier().begin(after: position)
    }

    /// Applies segments that follow, as one commit; durable and readable when it returns.
    ///
    /// - Returns: the newest position that readers see; parts of a transaction that is not closed
    ///   yet do not move it.
    /// - Throws: `.segment`, `.outOfOrder` or `.digestMismatch` when the segments are not what
    ///   follows: the copy is as it was, or at a boundary between them, and the connection to the peer
    ///   is of no more use. `.system`, `.log` and others when this node is of no more use before a
    ///   new start.
    @discardableResult
    package func apply(_ segments: [[UInt8]]) throws(VaultError) -> Position {
        guard let applier = self.state.withLock({ $0.applier }) else {
            throw .notRunning("applying")
        }
        return try applier.apply(segments)
    }

    /// Sets or clears layer 2 of the gate; durable when it returns.
    ///
    /// Layer 1 holds, and capture has been stopped. Clearing it is promotion's last step before
    /// ``startCapture(epoch:at:deliver:report:)`` and ``openGate()``; it ends applying.
    ///
    /// - Throws: `.notRunning` while the vault is captured, or when somebody has written to it since
    ///   it came to rest.
    package func setMarker(_ isSet: Bool) throws(VaultError) {
        let vault = try self.attached()
        self.stopApplying()
        guard vault.gate.isClosed, var rest = self.takeRest() else {
            throw .notRunning("a vault at rest")
        }
        defer { self.put(rest) }
        guard vault.files.index.header() == rest.header else {
            throw .notRunning("a vault that nobody has written to since it came to rest")
        }
        try vault.setMarker(isSet)
        // The digest does not count the marker; the place in the WAL does.
        guard let header = vault.files.index.header() else {
            throw .headerDamaged(path: vault.files.shmPath)
        }
        rest.header = header
        if isSet { try vault.checkpointMarker() }
    }

    /// Ends applying; the vault stays in custody and its gate closed.
    ///
    /// - Returns: where the copy stands; `nil` when that is unknown, or nothing was applied.
    @discardableResult
    package func stopApplying() -> Position? {
        let applier = self.state.withLock { state in
            defer { state.applier = nil }
            return state.applier
        }
        guard case .success(let end)? = applier?.stop() else { return nil }
        self.put(Rest(pages: end.pages, header: end.header, foldBase: nil))
        return end.position
    }

    /// Begins to take only what differs into a copy that is attached; readers keep what they see until
    /// the end.
    ///
    /// - Parameter pageCount: of the primary's vault where the copy begins.
    package func beginDelta(pageCount: UInt32) throws(VaultError) -> any CopySink {
        try DeltaSink(try self.startedApplier(), pageCount: pageCount)
    }

    /// Begins to take a whole vault where there is none, or one without tables.
    ///
    /// Custody of what is there is given back. At the end the vault is attached and applying.
    ///
    /// - Throws: `.attached` when somebody has the vault open; at the end again.
    package func beginSeed(
        pageSize: PageSize,
        pageCount: UInt32
    ) throws(VaultError) -> any CopySink {
        self.detach()
        try VaultFiles.releaseIndex(at: self.configuration.path)
        _ = try Solitude(at: self.configuration.path)
        return try SeedSink(self, pageSize: pageSize, pageCount: pageCount)
    }

    /// Moves the vault's files into a folder under `tails`, so that another vault can come here.
    ///
    /// Custody is given back first. Durable when it returns.
    ///
    /// - Returns: the folder, `nil` when there was no vault.
    /// - Throws: `.attached` when somebody else has the vault open.
    package func moveAside() throws(VaultError) -> String? {
        self.detach()
        let path = self.configuration.path
        try VaultFiles.releaseIndex(at: path)
        let solitude = try Solitude(at: path)
        let folder: String?
        do throws(SystemFailure) {
            folder = try SeedPlacement.moveAside(
                path,
                to: self.configuration.stateDirectory,
                named: "discarded"
            )
        } catch {
            throw VaultError(error)
        }
        _ = consume solitude
        return folder
    }

    /// Puts the finished seed in the vault's place; the log begins at `position`.
    ///
    /// - Throws: `.unexpected` when a vault with tables has come to lie there meanwhile.
    func place(seedOf pageSize: PageSize, at position: Position) throws(VaultError) {
        let path = self.configuration.path
        // Looking may itself change what others have left, the first time.
        _ = self.content
        let seen = FileTrace.ofVault(at: path)
        switch self.content {
        case .missing, .withoutTables: break
        case .withTables, .unusable: throw .unexpected(path: path)
        }
        let solitude = try Solitude(at: path)
        // Nobody can write to it any more; somebody may have, since it was looked at.
        guard FileTrace.ofVault(at: path) == seen else { throw .unexpected(path: path) }
        do throws(SegmentStoreError) {
            // Before the vault can be in that state, so that it is never in one that nobody knows.
            try self.log.restart(at: position)
        } catch {
            throw .log(error)
        }
        do throws(SystemFailure) {
            try SeedPlacement.place(path, aside: self.configuration.stateDirectory)
        } catch {
            throw VaultError(error)
        }
        _ = consume solitude
    }

    func startedApplier() throws(VaultError) -> Applier {
        if let applier = self.state.withLock({ $0.applier }) { return applier }
        let vault = try self.attached()
        guard vault.gate.isClosed, let rest = self.takeRest() else {
            throw .notRunning("a closed vault at rest")
        }
        do throws(VaultError) {
            guard vault.files.index.header() == rest.header else {
                throw .notRunning("a vault that nobody has written to since it came to rest")
            }
            let applier = try Applier(vault, log: self.log, pages: rest.pages, position: nil)
            self.state.withLock { $0.applier = applier }
            return applier
        } catch {
            self.put(rest)
            throw error
        }
    }
}
