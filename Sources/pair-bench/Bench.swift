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

/// The folder of the pair that is measured now: what must go when the program is interrupted.
final class Scratch: Sendable {
    private let folder = Mutex<LabFolder?>(nil)

    func set(_ folder: LabFolder?) { self.folder.withLock { $0 = folder } }

    /// Ends the program at SIGINT, SIGTERM and SIGHUP, and everything it has started.
    func removeWhenInterrupted() -> [any DispatchSourceSignal] {
        [SIGINT, SIGTERM, SIGHUP].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number)
            source.setEventHandler {
                if let folder = self.folder.withLock({ $0 }) { LabPair.end(everythingIn: folder) }
                Glibc.exit(128 + number)
            }
            source.resume()
            return source
        }
    }
}
