import Glibc

/// Keeps a second daemon off a state folder, as long as the process lives.
final class StateLock: Sendable {
    struct Held: Error, CustomStringConvertible {
        var path: String
        var pid: Int32?
        var code: Int32

        var description: String {
            let who = self.pid.map { "paird, pid \($0)," } ?? "another paird"
            return self.code == EAGAIN || self.code == EACCES
                ? "\(self.path): \(who) runs on this state folder; systemctl status paird shows it"
                : "\(self.path): \(String(cString: strerror(self.code)))"
        }
    }

    private let descriptor: Int32

    /// - Throws: `Held` with the pid of the other daemon.
    init(directory: String) throws {
        let path = directory + "/lock"
        self.descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard self.descriptor >= 0 else { throw Held(path: path, pid: nil, code: errno) }
        var lock = flock(
            l_type: Int16(F_WRLCK),
            l_whence: Int16(SEEK_SET),
            l_start: 0,
            l_len: 0,
            l_pid: 0
        )
        guard fcntl(self.descriptor, F_SETLK, &lock) != 0 else { return }
        let code = errno
        lock.l_type = Int16(F_WRLCK)
        let isKnown = fcntl(self.descriptor, F_GETLK, &lock) == 0 && lock.l_pid > 0
        throw Held(path: path, pid: isKnown ? lock.l_pid : nil, code: code)
    }
}
