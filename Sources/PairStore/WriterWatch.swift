/// How long applications have kept the WRITE lock, as far as looks from time to time can tell.
///
/// Never more than the truth but for one case: a process that takes the lock again and again without
/// committing is taken for one that keeps it. Holds shorter than the time between two looks are not
/// seen, and of each hold up to that time is missing at either end.
struct WriterWatch {
    private struct Hold {
        var holder: LockHolder
        /// A commit ends a hold, also when the next one begins before anybody looks.
        var header: WALIndex.Header
        var since: ContinuousClock.Instant
    }

    private var hold: Hold?
    private(set) var longest = Duration.zero

    /// Takes note of who has the lock now.
    mutating func note(
        _ holder: LockHolder?,
        _ header: WALIndex.Header,
        at now: ContinuousClock.Instant
    ) {
        guard let holder else {
            self.hold = nil
            return
        }
        guard let hold = self.hold, hold.holder == holder, hold.header == header else {
            self.hold = Hold(holder: holder, header: header, since: now)
            return
        }
        self.longest = max(self.longest, hold.since.duration(to: now))
    }
}
