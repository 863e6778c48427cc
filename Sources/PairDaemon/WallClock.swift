import Glibc
import PairCore

/// The time of day: for people to read, never for a decision.
enum WallClock {
    static var seconds: Int64 { Int64(time(nil)) }

    /// What tells this start from all before it, in milliseconds since 1970.
    static var startNumber: UInt64 { UInt64(clamping: self.now.millisecondsSince1970) }

    /// To the millisecond.
    static var now: WallTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(
            millisecondsSince1970: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
        )
    }
}
