import Glibc

/// Tells systemd how the daemon is (sd_notify(3)); silent where systemd did not ask.
package struct SystemdNotifier: Sendable {
    private let path: String?
    /// How often `WATCHDOG=1` is due at the least; `nil` when no watchdog runs.
    package let watchdogInterval: Duration?

    /// Reads `NOTIFY_SOCKET` and `WATCHDOG_USEC` from the environment.
    package init() {
        self.path = Self.environment("NOTIFY_SOCKET")
        self.watchdogInterval = Self.environment("WATCHDOG_USEC").flatMap(Int64.init).map {
            .microseconds($0)
        }
    }

    package func ready() { self.send("READY=1") }
    package func stopping() { self.send("STOPPING=1") }
    package func watchdog() { self.send("WATCHDOG=1") }
    package func status(_ text: String) { self.send("STATUS=\(text)") }

    private func send(_ message: String) {
        guard let path, path.utf8.count < 108, path.hasPrefix("/") || path.hasPrefix("@") else {
            return
        }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(path.utf8)
        // An abstract address is written with @ and starts with a zero byte.
        if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        let text = Array(message.utf8)
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, text, text.count, Int32(MSG_NOSIGNAL), $0, length)
            }
        }
    }

    private static func environment(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        return String(cString: value)
    }
}
