import Glibc

/// Wakes the capture thread when the WAL is written to, or when somebody has a question.
///
/// Watching costs the writer time on every write, so the watch stands only while nothing happens
/// and falls with the first event.
struct CommitNotifier: ~Copyable {
    /// Written to by other threads; never blocks them.
    let bell: Bell
    private let inotify: Int32
    private let path: String

    /// - Parameter path: the WAL's.
    /// - Throws: `.system`.
    init(path: String, bell: Bell) throws(VaultError) {
        let inotify = inotify_init1(O_CLOEXEC | O_NONBLOCK)
        guard inotify >= 0 else { throw .system(errno: errno, call: "inotify", path: path) }
        self.path = path
        self.bell = bell
        self.inotify = inotify
    }

    deinit { close(self.inotify) }

    /// Waits for a write to the WAL or a ring of the bell.
    ///
    /// - Parameters:
    ///   - timeout: how long at most.
    ///   - isStill: asked once the watch stands; when it says no there is nothing to wait for.
    /// - Returns: whether the WAL was written to, as far as can be known.
    func wait(
        atMost timeout: Duration,
        isStill: () throws(VaultError) -> Bool
    ) throws(VaultError) -> Bool {
        // A WAL that has vanished is found by the identity check, at the latest after `timeout`.
        let watch = inotify_add_watch(self.inotify, self.path, UInt32(IN_MODIFY))
        defer { if watch >= 0 { self.removeWatch(watch) } }
        guard try isStill() else { return true }
        var descriptors = [
            pollfd(fd: self.inotify, events: Int16(POLLIN), revents: 0),
            pollfd(fd: self.bell.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        let (seconds, attoseconds) = timeout.components
        let milliseconds = Int32(seconds * 1_000 + attoseconds / 1_000_000_000_000_000)
        let count = poll(&descriptors, nfds_t(descriptors.count), milliseconds)
        self.bell.silence()
        return count > 0 && descriptors[0].revents != 0
    }

    private func removeWatch(_ watch: Int32) {
        inotify_rm_watch(self.inotify, watch)
        var events = [UInt8](repeating: 0, count: 4_096)
        while read(self.inotify, &events, events.count) > 0 {}
    }
}

/// A pair of sockets: one thread polls one end and others ring at the other.
final class Bell: Sendable {
    let descriptor: Int32
    private let ringer: Int32

    /// - Throws: `.system`.
    init() throws(VaultError) {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_DGRAM.rawValue) | O_CLOEXEC | O_NONBLOCK
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
            throw .system(errno: errno, call: "socketpair", path: "the capture thread")
        }
        self.descriptor = ends[0]
        self.ringer = ends[1]
    }

    deinit {
        close(self.descriptor)
        close(self.ringer)
    }

    /// Never blocks; what is full has been rung already.
    func ring() {
        var byte: UInt8 = 0
        _ = write(self.ringer, &byte, 1)
    }

    func silence() {
        var byte: UInt8 = 0
        while read(self.descriptor, &byte, 1) > 0 {}
    }
}
