import Glibc
import PairCore

/// The time of day: for people to read, never for a decision.
enum WallClock {
    static var seconds: Int64 { Int64(time(nil)) }
}
