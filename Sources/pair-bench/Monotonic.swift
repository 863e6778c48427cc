import Glibc

/// CLOCK_MONOTONIC in nanoseconds: one clock for every process of the machine.
enum Monotonic {
    static var now: UInt64 { nanoseconds(of: CLOCK_MONOTONIC) }

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

/// What a process or a thread has spent of the cores, in nanoseconds.
enum ProcessorTime {
    static var ofThisThread: UInt64 { nanoseconds(of: CLOCK_THREAD_CPUTIME_ID) }

    /// Of all its threads, those that have ended too; 0 when the process has gone.
    static func of(process: Int32) -> UInt64 {
        var clock: clockid_t = 0
        return clock_getcpuclockid(process, &clock) == 0 ? nanoseconds(of: clock) : 0
    }
}

private func nanoseconds(of clock: clockid_t) -> UInt64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

extension Duration {
    var nanoseconds: UInt64 {
        let (seconds, attoseconds) = self.components
        return UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
    }

    var seconds: Double { Double(self.nanoseconds) / 1e9 }
}
