import Foundation
import Glibc

/// Sends back what it is sent, on a port of loopback, for as long as the tests run.
struct EchoServer {
    let port: UInt16
    /// A port on which nobody listens.
    let freePort: UInt16

    init() throws {
        let (server, spare) = (try Self.socket(), try Self.socket())
        self.port = try Self.listen(server)
        self.freePort = try Self.listen(spare)
        close(spare)
        Thread.detachNewThread {
            while true {
                let client = accept(server, nil, nil)
                guard client >= 0 else { continue }
                Thread.detachNewThread {
                    var buffer = [UInt8](repeating: 0, count: 4096)
                    while true {
                        let count = recv(client, &buffer, buffer.count, 0)
                        guard count > 0, send(client, buffer, count, Int32(MSG_NOSIGNAL)) == count
                        else { break }
                    }
                    close(client)
                }
            }
        }
    }

    /// What comes back for `text`; `nil` when nothing does in time.
    static func ask(port: UInt16, _ text: String, patience: Duration) async -> String? {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(returning: self.askBlocking(port, text, patience))
            }
        }
    }

    private static func askBlocking(_ port: UInt16, _ text: String, _ patience: Duration) -> String?
    {
        guard let descriptor = try? self.socket() else { return nil }
        defer { close(descriptor) }
        let status = self.withAddress(port) { connect(descriptor, $0, $1) }
        guard status == 0, send(descriptor, text, text.utf8.count, Int32(MSG_NOSIGNAL)) > 0 else {
            return nil
        }
        var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&event, 1, Int32(patience / .milliseconds(1))) > 0 else { return nil }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }

    private static func socket() throws -> Int32 {
        let descriptor = Glibc.socket(
            AF_INET,
            Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue),
            0
        )
        guard descriptor >= 0 else { throw POSIXError(.EMFILE) }
        return descriptor
    }

    private static func listen(_ descriptor: Int32) throws -> UInt16 {
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        var address = sockaddr_in()
        let status = self.withAddress(0) { bind(descriptor, $0, $1) }
        guard status == 0, Glibc.listen(descriptor, 16) == 0 else { throw POSIXError(.EADDRINUSE) }
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = getsockname(descriptor, $0, &size)
            }
        }
        return UInt16(bigEndian: address.sin_port)
    }

    private static func withAddress(
        _ port: UInt16,
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
