import Glibc
import PairCore

/// The time of day: for people to read, never for a decision.
enum WallClock {
    static var seconds: Int64 { Int64(time(nil)) }

    /// To the millisecond.
    static var now: WallTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(
            millisecondsSince1970: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
        )
    }
}
