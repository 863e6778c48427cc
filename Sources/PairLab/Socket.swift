import Glibc

/// The few things that the lab does with sockets.
enum Socket {
    /// A TCP socket on loopback that listens; port 0 takes any.
    static func listen(port: UInt16) throws(LabError) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else {
            throw .system(call: "socket", object: "TCP", code: errno)
        }
        var one: Int32 = 1
        setsockopt(
            descriptor,
            SOL_SOCKET,
            SO_REUSEADDR,
            &one,
            socklen_t(MemoryLayout<Int32>.size)
        )
        guard self.withLoopback(port, { bind(descriptor, $0, $1) }) == 0,
            Glibc.listen(descriptor, 128) == 0
        else {
            let code = errno
            close(descriptor)
            throw .system(call: "bind", object: "127.0.0.1:\(port)", code: code)
        }
        return descriptor
    }

    /// A TCP connection to loopback; `nil` when nobody listens there.
    static func connect(port: UInt16) -> Int32? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        guard self.withLoopback(port, { Glibc.connect(descriptor, $0, $1) }) == 0 else {
            close(descriptor)
            return nil
        }
        self.sendAtOnce(descriptor)
        return descriptor
    }

    /// Turns off the delay that gathers small writes.
    static func sendAtOnce(_ descriptor: Int32) {
        var one: Int32 = 1
        setsockopt(
            descriptor,
            Int32(IPPROTO_TCP),
            TCP_NODELAY,
            &one,
            socklen_t(MemoryLayout<Int32>.size)
        )
    }

    private static func withLoopback(
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

    /// Listens on, or connects to, a socket in the file system.
    static func unix(path: String, isListening: Bool) throws(LabError) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw .system(call: "bind", object: path, code: ENAMETOOLONG)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .system(call: "socket", object: path, code: errno) }
        if isListening { unlink(path) }
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                isListening
                    ? bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                    : Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0, !isListening || Glibc.listen(descriptor, 8) == 0 else {
            let code = errno
            close(descriptor)
            throw .system(call: isListening ? "bind" : "connect", object: path, code: code)
        }
        return descriptor
    }

    /// Sends all of it; `false` when the other side is gone.
    static func send(_ descriptor: Int32, _ bytes: some Collection<UInt8>) -> Bool {
        var rest = Array(bytes)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }

    /// What has come, at most `limit` bytes; empty at the end.
    static func receive(_ descriptor: Int32, atMost limit: Int) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: limit)
        var count: Int
        repeat { count = recv(descriptor, &buffer, limit, 0) } while count < 0 && errno == EINTR
        return Array(buffer.prefix(max(0, count)))
    }

    /// Ports on loopback on which nobody listens now.
    ///
    /// Taken below the range from which the kernel serves outgoing connections, so that none of
    /// those can take a port between this call and its use.
    static func freePorts(_ count: Int) throws(LabError) -> [UInt16] {
        var held: [(port: UInt16, descriptor: Int32)] = []
        defer { for (_, descriptor) in held { close(descriptor) } }
        for _ in 0..<1000 where held.count < count {
            let port = UInt16.random(in: 10_000...29_999)
            if let descriptor = try? self.listen(port: port) { held.append((port, descriptor)) }
        }
        guard held.count == count else {
            throw .unexpected("no \(count) free ports between 10000 and 29999 on 127.0.0.1")
        }
        return held.map(\.port)
    }
}
