import Glibc
import Synchronization

/// The system's words for an error number.
func errorText(_ code: Int32) -> String { String(cString: strerror(code)) }

/// A process that was started here.
///
/// Started with default signals in a session of its own, so that a Ctrl-C in the terminal reaches
/// only the program that it was typed for.
package final class ChildProcess: Sendable {
    package let pid: Int32
    private let end = Mutex<Int32?>(nil)

    /// What a stream of the new process is connected to.
    package enum Stream: Sendable {
        case nothing
        /// Opened for appending, made if it is not there.
        case file(String)
        case descriptor(Int32)
    }

    /// - Parameter executable: a path; nothing is searched for.
    package init(
        _ executable: String,
        _ arguments: [String],
        input: Stream = .nothing,
        output: Stream = .nothing,
        errors: Stream = .nothing
    ) throws(LabError) {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (target, stream) in [(Int32(0), input), (1, output), (2, errors)] {
            switch stream {
            case .nothing:
                posix_spawn_file_actions_addopen(&actions, target, "/dev/null", O_RDWR, 0)
            case .file(let path):
                posix_spawn_file_actions_addopen(
                    &actions,
                    target,
                    path,
                    O_WRONLY | O_CREAT | O_APPEND,
                    0o600
                )
            case .descriptor(let descriptor):
                posix_spawn_file_actions_adddup2(&actions, descriptor, target)
            }
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        let flags = Int32(POSIX_SPAWN_SETSIGDEF) | Int32(POSIX_SPAWN_SETSIGMASK) | Self.newSession
        posix_spawnattr_setflags(&attributes, Int16(flags))

        var pid: pid_t = 0
        let argv = ([executable] + arguments).map { strdup($0) }
        defer { for argument in argv { free(argument) } }
        let code = Self.spawning.withLock { _ in
            posix_spawn(&pid, executable, &actions, &attributes, argv + [nil], environ)
        }
        guard code == 0 else { throw .system(call: "posix_spawn", object: executable, code: code) }
        self.pid = pid
    }

    /// Held while a process is started and while a pipe is made: between `pipe` and its close-on-exec
    /// flag another new process would inherit the pipe, and its reader would wait for an end that
    /// never comes.
    fileprivate static let spawning = Mutex<Void>(())

    /// POSIX_SPAWN_SETSID, which the importer leaves out.
    private static let newSession: Int32 = 0x80

    /// Sends a signal; nothing happens to a process that has ended.
    package func signal(_ signal: Int32) {
        self.end.withLock { status in
            if status == nil { _ = Glibc.kill(self.pid, signal) }
        }
    }

    /// How it ended, if it has: its exit code, or 128 and the signal that ended it.
    package var status: Int32? { self.end.withLock { self.reap(&$0, WNOHANG) } }

    /// Waits until it has ended; blocks the thread.
    package func wait() -> Int32 { self.end.withLock { self.reap(&$0, 0) ?? -1 } }

    private func reap(_ status: inout Int32?, _ options: Int32) -> Int32? {
        if let status { return status }
        var word: Int32 = 0
        var result: pid_t
        repeat { result = waitpid(self.pid, &word, options) } while result < 0 && errno == EINTR
        guard result == self.pid else {
            if result < 0 { status = -1 }
            return status
        }
        let signal = word & 0x7F
        status = signal == 0 ? (word >> 8) & 0xFF : 128 + signal
        return status
    }

    deinit {
        // Nobody can ask any more; what is still running is left to its end, and to init.
        _ = self.status
    }
}

/// A pipe whose ends are closed in processes that are started.
struct Pipe {
    private static let brokenPipesAreErrors: Void = { signal(SIGPIPE, SIG_IGN) }()

    let reading: Int32
    let writing: Int32

    init() throws(LabError) {
        // A process that ends before it has read everything must not end us.
        _ = Self.brokenPipesAreErrors
        var ends: [Int32] = [0, 0]
        let code = ChildProcess.spawning.withLock { _ -> Int32 in
            guard pipe(&ends) == 0 else { return errno }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            return 0
        }
        guard code == 0 else { throw .system(call: "pipe", object: "a new process", code: code) }
        (self.reading, self.writing) = (ends[0], ends[1])
    }
}
