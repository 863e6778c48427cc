import Glibc
package import PairCore
import Synchronization

/// How long the disk took to make things durable, since the start of this process.
///
/// One for the whole process, as the disk is: who syncs a file need not know who counts.
package enum SyncTimes {
    /// Upper bounds in seconds.
    package static let bounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1]

    private static let times = Mutex(DurationHistogram(bounds: Self.bounds))

    package static var histogram: DurationHistogram { self.times.withLock { $0 } }

    /// Makes a file and its length durable; errno says why it failed.
    static func syncData(_ descriptor: Int32) -> Int32 { self.timed { fdatasync(descriptor) } }

    /// Makes a file and everything that is known of it durable; errno says why it failed.
    static func sync(_ descriptor: Int32) -> Int32 { self.timed { fsync(descriptor) } }

    private static func timed(_ call: () -> Int32) -> Int32 {
        let start = ContinuousClock.now
        let result = call()
        let code = errno
        let duration = start.duration(to: .now)
        self.times.withLock { $0.observe(duration) }
        errno = code
        return result
    }
}
