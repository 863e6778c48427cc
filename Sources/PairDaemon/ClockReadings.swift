import Glibc

/// What three clocks say about the time between two ticks (clock_gettime(2)).
///
/// The boot-time clock counts a suspended machine's sleep, the monotonic one does not, and the
/// real-time one jumps when somebody sets it: together they show what each alone would hide.
struct ClockReadings {
    private var last: [Duration]

    init() { self.last = Self.read() }

    /// The least and the most that any clock saw since the last call; never below zero.
    mutating func advance() -> (shortest: Duration, longest: Duration) {
        let now = Self.read()
        let elapsed = zip(now, self.last).map { max(.zero, $0 - $1) }
        self.last = now
        return (elapsed.min() ?? .zero, elapsed.max() ?? .zero)
    }

    private static func read() -> [Duration] {
        [CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME].map { clock in
            var time = timespec()
            clock_gettime(clock, &time)
            return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
        }
    }
}
