import Glibc

/// Asks whether the network is there: a TCP connection accepted or refused is an answer.
package enum Reachability {
    /// Tries each address up to three times, two seconds each; blocks for as long as that takes.
    ///
    /// - Parameter addresses: numeric hosts and ports.
    /// - Returns: whether any of them answered.
    package static func anyAnswers(_ addresses: [(host: String, port: UInt16)]) -> Bool {
        for _ in 0..<3 {
            for address in addresses where self.answers(address.host, address.port) { return true }
        }
        return false
    }

    private static func answers(_ host: String, _ port: UInt16) -> Bool {
        var hints = addrinfo()
        hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &list) == 0, let info = list?.pointee else {
            return false
        }
        defer { freeaddrinfo(list) }
        let kind = info.ai_socktype | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(info.ai_family, kind, 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        if connect(descriptor, info.ai_addr, info.ai_addrlen) == 0 { return true }
        guard errno == EINPROGRESS else { return errno == ECONNREFUSED }
        var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        guard poll(&waiting, 1, 2_000) == 1 else { return false }
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length) == 0 else {
            return false
        }
        return code == 0 || code == ECONNREFUSED
    }
}
