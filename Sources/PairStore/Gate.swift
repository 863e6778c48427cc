import Glibc
import Synchronization

/// Layer 1 of the gate: SQLite's WRITE lock, held by us so that no application can commit.
///
/// A kernel lock: it binds unmodified applications, lets readers alone, and ends with the process. It
/// belongs to the open files, which outlive every attaching of the vault, and so does this.
package final class Gate: Sendable {
    private let files: VaultFiles
    private let state = Monitor(State())

    private static let known = Mutex<[Int32: Gate]>([:])

    private struct State {
        var isWanted = false
        /// Counts the demands that were withdrawn.
        var withdrawn = 0
        var isHeld = false
        var isWaiting = false
        /// The lock is ours for a moment, for another purpose than the gate's.
        var isBorrowed = false
        var failure: VaultError?
    }

    private init(_ files: VaultFiles) { self.files = files }

    /// The one gate of these files: two would each take the other's lock for their own.
    static func of(_ files: VaultFiles) -> Gate {
        self.known.withLock { known in
            let gate = known[files.shm] ?? Gate(files)
            known[files.shm] = gate
            return gate
        }
    }

    package var isClosed: Bool { self.state.read { $0.isHeld } }

    /// Whether somebody waits for it to close.
    var isClosing: Bool { self.state.read { $0.isWaiting } }

    /// Closes the gate once the transaction that is being written has ended.
    ///
    /// - Throws: `.writerDoesNotFinish` when the application needs longer. The gate then closes as
    ///   soon as it can, unless ``open()`` is called. `.notRunning` when that happens meanwhile.
    package func close(atMost timeout: Duration) throws(VaultError) {
        let (mustStart, withdrawn) = self.state.update { state in
            state.isWanted = true
            state.failure = nil
            guard !state.isHeld, !state.isWaiting else { return (false, state.withdrawn) }
            state.isWaiting = true
            return (true, state.withdrawn)
        }
        // A waiting lock is granted in order; asking again and again would lose to busy writers.
        if mustStart { StoreThread.start("pair-gate") { self.takeLock() } }
        let failure: VaultError?? = self.state.wait(atMost: timeout) { state in
            if state.withdrawn != withdrawn {
                return .some(.notRunning("a demand to close the gate"))
            }
            return state.isHeld ? .some(nil) : state.failure.map { .some($0) }
        }
        switch failure {
        case .some(.some(let error)): throw error
        case .some(.none): return
        case .none:
            throw .writerDoesNotFinish(
                path: self.files.path,
                pid: try self.files.holder(of: .write, .exclusive)?.pid
            )
        }
    }

    /// Lets applications write.
    package func open() throws(VaultError) {
        let result = self.state.update { state -> Result<Void, VaultError> in
            state.isWanted = false
            state.withdrawn += 1
            guard state.isHeld else { return .success(()) }
            state.isHeld = false
            return self.unlock()
        }
        try result.get()
    }

    /// Runs `body` while the WRITE lock is free, so that a connection of ours may recover.
    ///
    /// The caller sees to it that nothing an application commits meanwhile can get lost.
    func withLockReleased(_ body: () throws(VaultError) -> Void) throws(VaultError) {
        guard self.isClosed else { return try body() }
        try self.files.unlock(.write)
        defer {
            // Only a damaged descriptor makes this fail; the gate must not be believed closed then.
            do throws(VaultError) {
                try self.files.waitForLock(.write, .exclusive)
                // Opened meanwhile: nobody else would ever let go of it.
                try self.state.update { $0.isWanted ? .success(()) : self.unlock() }.get()
            } catch {
                self.state.update { $0.isHeld = false }
            }
        }
        try body()
    }

    /// Runs `body` while no application can commit, unless the gate is closed or closing.
    ///
    /// - Parameter timeout: how long to ask for the lock; without one it is waited for, in order.
    /// - Returns: whether `body` was run.
    func withLockBorrowed(
        atMost timeout: Duration? = nil,
        _ body: () throws(VaultError) -> Void
    ) throws(VaultError) -> Bool {
        let isMine = self.state.update { state in
            guard !state.isHeld, !state.isWaiting, !state.isBorrowed else { return false }
            state.isBorrowed = true
            return true
        }
        guard isMine else { return false }
        defer { self.state.update { $0.isBorrowed = false } }
        guard try self.lock(atMost: timeout) else { return false }
        let result: Result<Void, VaultError>
        do throws(VaultError) {
            try body()
            result = .success(())
        } catch {
            result = .failure(error)
        }
        try self.files.unlock(.write)
        try result.get()
        return true
    }

    private func lock(atMost timeout: Duration?) throws(VaultError) -> Bool {
        guard let timeout else {
            try self.files.waitForLock(.write, .exclusive)
            return true
        }
        let deadline = ContinuousClock.now + timeout
        while try !self.files.tryLock(.write, .exclusive) {
            guard ContinuousClock.now < deadline else { return false }
            // A pause would outlast the gap between two commits of a busy writer.
            sched_yield()
        }
        return true
    }

    private func takeLock() {
        _ = self.state.wait { $0.isBorrowed ? nil : true }
        let result: Result<Void, VaultError>
        do throws(VaultError) {
            try self.files.waitForLock(.write, .exclusive)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        self.state.update { state in
            state.isWaiting = false
            switch result {
            case .success where state.isWanted: state.isHeld = true
            case .success:
                if case .failure(let error) = self.unlock() { state.failure = error }
            case .failure(let error): state.failure = error
            }
        }
    }

    private func unlock() -> Result<Void, VaultError> {
        do throws(VaultError) {
            return .success(try self.files.unlock(.write))
        } catch {
            return .failure(error)
        }
    }
}
