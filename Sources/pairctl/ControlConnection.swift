import Glibc
import PairCore

/// One conversation over the daemon's control socket: a line out, lines in.
///
/// Blocking calls with a deadline: a command that asks one question needs no event loop.
struct ControlConnection: ~Copyable {
    private let descriptor: Int32
    private let path: String
    private let deadline: ContinuousClock.Instant?
    private var buffer: [UInt8] = []
    private var isAtEnd = false

    /// More than the daemon ever answers in one line.
    private static let lineLimit = 16 << 20

    enum Failure: Error {
        case noDaemon(path: String)
        case notPermitted(path: String)
        case pathTooLong(path: String)
        case noAnswer(path: String)
        case ended(path: String)
        case system(call: String, path: String, code: Int32)
    }

    init(path: String, timeout: Duration?) throws(Failure) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw .pathTooLong(path: path)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let descriptor = Glibc.socket(
            AF_UNIX,
            Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue),
            0
        )
        guard descriptor >= 0 else { throw .system(call: "socket", path: path, code: errno) }
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        if status != 0 {
            let code = errno
            close(descriptor)
            switch code {
            case ENOENT, ECONNREFUSED: throw .noDaemon(path: path)
            case EACCES, EPERM: throw .notPermitted(path: path)
            default: throw .system(call: "connect", path: path, code: code)
            }
        }
        self.descriptor = descriptor
        self.path = path
        self.deadline = timeout.map { ContinuousClock.now + $0 }
    }

    deinit { close(self.descriptor) }

    /// Writes the line and the line feed that ends it.
    func send(_ line: [UInt8]) throws(Failure) {
        var rest = (line + [UInt8(ascii: "\n")])[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(self.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EPIPE || errno == ECONNRESET {
                throw .ended(path: self.path)
            } else if errno != EINTR {
                throw .system(call: "send", path: self.path, code: errno)
            }
        }
    }

    /// The next line, without its line feed.
    mutating func receive() throws(Failure) -> [UInt8] {
        while true {
            if let end = self.buffer.firstIndex(of: UInt8(ascii: "\n")) {
                defer { self.buffer.removeSubrange(...end) }
                return Array(self.buffer[..<end])
            }
            guard !self.isAtEnd, self.buffer.count < Self.lineLimit else {
                throw .ended(path: self.path)
            }
            try self.fill()
        }
    }

    private mutating func fill() throws(Failure) {
        var poll = pollfd(fd: self.descriptor, events: Int16(POLLIN), revents: 0)
        let left = self.deadline.map { ContinuousClock.now.duration(to: $0) }
        if let left, left <= .zero { throw .noAnswer(path: self.path) }
        let milliseconds = left.map { Int32(clamping: Int64($0.inSeconds * 1000) + 1) } ?? -1
        guard Glibc.poll(&poll, 1, milliseconds) > 0 else { return }
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(self.descriptor, &chunk, chunk.count, 0)
        if count > 0 {
            self.buffer += chunk[..<count]
        } else if count == 0 || errno == ECONNRESET {
            self.isAtEnd = true
        } else if errno != EINTR {
            throw .system(call: "recv", path: self.path, code: errno)
        }
    }
}

extension ControlConnection.Failure: CustomStringConvertible {
    /// What is wrong and what to type next.
    var description: String {
        switch self {
        case .noDaemon(let path):
            "paird is not running here: nobody answers at \(path); type: systemctl start paird "
                + "(or name its socket with --socket)"
        case .notPermitted(let path):
            "you may not use \(path); type: sudo pairctl …, or join its group: "
                + "sudo usermod -aG paird-admin $USER"
        case .pathTooLong(let path):
            "\(path) is longer than a socket's path can be (107 bytes); name a shorter one with "
                + "--socket"
        case .noAnswer(let path):
            "paird at \(path) has not finished in time, or does not answer; what was asked may still "
                + "finish; type: pairctl status"
        case .ended(let path):
            "paird ended the conversation at \(path); type: journalctl -u paird -n 50"
        case .system(let call, let path, let code):
            "\(call) of \(path): \(String(cString: strerror(code)))"
        }
    }

    var exitCode: Int32 {
        switch self {
        case .noDaemon, .ended, .system: 69
        case .notPermitted: 77
        case .pathTooLong: 64
        case .noAnswer: 75
        }
    }
}
