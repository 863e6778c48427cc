import Glibc

/// CLOCK_MONOTONIC in nanoseconds: one clock for every process of the machine.
enum Monotonic {
    static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Blocks the thread until `instant`; returns at once when that has passed.
    static func sleep(until instant: UInt64) {
        var time = timespec(
            tv_sec: Int(instant / 1_000_000_000),
            tv_nsec: Int(instant % 1_000_000_000)
        )
        while clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nil) == EINTR {}
    }

    static func seconds(since start: UInt64) -> Double { Double(self.now - start) / 1e9 }
}

extension Duration {
    var nanoseconds: UInt64 {
        let (seconds, attoseconds) = self.components
        return UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
    }

    var seconds: Double { Double(self.nanoseconds) / 1e9 }
}
