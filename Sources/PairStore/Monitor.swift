import Glibc

/// A value that threads share and wait upon, with deadlines.
///
/// `@unchecked Sendable` because the value is only touched while the mutex is held.
final class Monitor<Value>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var value: Value

    init(_ value: Value) {
        self.value = value
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_mutex_init(self.mutex, nil)
        pthread_cond_init(self.condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(self.condition)
        pthread_mutex_destroy(self.mutex)
        self.condition.deallocate()
        self.mutex.deallocate()
    }

    /// Runs `body` alone, and wakes the waiting threads when it has changed something.
    func update<Answer>(_ body: (inout Value) -> Answer) -> Answer {
        pthread_mutex_lock(self.mutex)
        defer {
            pthread_cond_broadcast(self.condition)
            pthread_mutex_unlock(self.mutex)
        }
        return body(&self.value)
    }

    func read<Answer>(_ body: (Value) -> Answer) -> Answer {
        pthread_mutex_lock(self.mutex)
        defer { pthread_mutex_unlock(self.mutex) }
        return body(self.value)
    }

    /// Waits until `body` answers; it may change the value, and is asked again after every update.
    ///
    /// - Parameter timeout: how long at most; without one, for ever.
    /// - Returns: `nil` when the time is up.
    func wait<Answer>(
        atMost timeout: Duration? = nil,
        until body: (inout Value) -> Answer?
    ) -> Answer? {
        var deadline = timespec()
        if let timeout {
            clock_gettime(CLOCK_MONOTONIC, &deadline)
            let (seconds, attoseconds) = timeout.components
            let nanoseconds = deadline.tv_nsec + Int(attoseconds / 1_000_000_000)
            deadline.tv_sec += Int(seconds) + nanoseconds / 1_000_000_000
            deadline.tv_nsec = nanoseconds % 1_000_000_000
        }
        pthread_mutex_lock(self.mutex)
        defer { pthread_mutex_unlock(self.mutex) }
        while true {
            if let answer = body(&self.value) { return answer }
            if timeout == nil {
                pthread_cond_wait(self.condition, self.mutex)
            } else if pthread_cond_timedwait(self.condition, self.mutex, &deadline) == ETIMEDOUT {
                return body(&self.value)
            }
        }
    }
}

/// A thread of its own for work that blocks, which no cooperative pool may do.
enum StoreThread {
    /// - Parameters:
    ///   - name: at most 15 bytes, as `top -H` shows it.
    ///   - body: runs with all signals blocked, so that they reach the program's main thread.
    static func start(_ name: String, _ body: @escaping @Sendable () -> Void) {
        let work = Unmanaged.passRetained(Work(name: name, body: body)).toOpaque()
        var thread = pthread_t()
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_BLOCK, &all, &before)
        let code = pthread_create(
            &thread,
            nil,
            { context in
                guard let context else { return nil }
                let work = Unmanaged<Work>.fromOpaque(context).takeRetainedValue()
                Self.name(work.name)
                work.body()
                return nil
            },
            work
        )
        pthread_sigmask(SIG_SETMASK, &before, nil)
        precondition(code == 0, "no thread for \(name): \(code)")
        pthread_detach(thread)
    }

    /// Names the calling thread; without success it keeps its process's name.
    private static func name(_ name: String) {
        let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        _ = name.withCString { write(descriptor, $0, strlen($0)) }
        close(descriptor)
    }

    /// Lets `duration` pass on this thread.
    static func pause(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        var left = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        var request = left
        while nanosleep(&request, &left) != 0, errno == EINTR { request = left }
    }

    private final class Work {
        let name: String
        let body: @Sendable () -> Void

        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }
}
