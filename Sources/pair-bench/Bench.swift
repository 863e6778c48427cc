import Dispatch
import Glibc
import PairLab
import Synchronization

/// How everything is measured in one run of the program.
struct Bench: Sendable {
    var rounds: Int
    /// Instead of each case's own.
    var roundLength: Duration?
    var largeVaultBytes: Int
    /// Load on ``loadCore``, daemons on ``daemonCore``.
    var isPinned: Bool
    let scratch: Scratch

    func length(_ own: Duration) -> Duration { self.roundLength ?? own }

    static let loadCore = 0
    static let daemonCore = 1
}

/// The folders in use now: what must go when the program is interrupted.
final class Scratch: Sendable {
    private let folders = Mutex<Set<LabFolder>>([])
    private let isInterrupted = Mutex(false)

    func make() throws -> LabFolder {
        let folder = try LabFolder.scratch()
        self.folders.withLock { _ = $0.insert(folder) }
        return folder
    }

    /// Ends what runs in the folder and takes it away.
    func remove(_ folder: LabFolder) {
        LabPair.end(everythingIn: folder)
        self.folders.withLock { _ = $0.remove(folder) }
    }

    /// Ends the program at SIGINT, SIGTERM and SIGHUP, and everything it has started.
    func removeWhenInterrupted() -> [any DispatchSourceSignal] {
        [SIGINT, SIGTERM, SIGHUP].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number)
            source.setEventHandler {
                self.isInterrupted.withLock { $0 = true }
                for folder in self.folders.withLock({ $0 }) { self.remove(folder) }
                Glibc.exit(128 + number)
            }
            source.resume()
            return source
        }
    }

    /// Leaves the end of the program to an interruption, if there is one.
    ///
    /// It takes the daemons away from under a case, whose failure must not end the program first.
    func giveWayToInterruption() async {
        guard self.isInterrupted.withLock({ $0 }) else { return }
        await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in }
    }
}
