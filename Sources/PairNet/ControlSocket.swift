import Glibc
import NIOCore
import NIOPosix

/// The parts of a Unix socket that NIO has no words for.
enum ControlSocket {
    /// A listening socket at `path` with mode 0660, or 0600 without a group to give it to, in place
    /// of one that nobody listens on.
    ///
    /// It is made under another name and renamed when mode and group are right.
    static func listen(
        at path: String,
        owningGroup: UInt32?
    ) throws(ControlServerError) -> NIOBSDSocket.Handle {
        try self.check(path)
        let newPath = path + ".new"
        unlink(newPath)
        let descriptor = try self.open(path)
        do throws(ControlServerError) {
            try self.bind(descriptor, at: newPath)
            if let owningGroup, chown(newPath, uid_t.max, owningGroup) != 0 {
                throw .failed(call: "chown", path: newPath, errno: errno)
            }
            guard chmod(newPath, owningGroup == nil ? 0o600 : 0o660) == 0 else {
                throw .failed(call: "chmod", path: newPath, errno: errno)
            }
            guard Glibc.listen(descriptor, 64) == 0 else {
                throw .failed(call: "listen", path: newPath, errno: errno)
            }
            guard rename(newPath, path) == 0 else {
                throw .failed(call: "rename", path: newPath, errno: errno)
            }
        } catch {
            close(descriptor)
            unlink(newPath)
            throw error
        }
        return descriptor
    }

    /// Makes sure that nobody answers at `path`, and that what is there may be replaced.
    private static func check(_ path: String) throws(ControlServerError) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw .failed(call: "lstat", path: path, errno: errno)
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw .failed(call: "bind", path: path, errno: EEXIST)
        }
        let descriptor = try self.open(path)
        defer { close(descriptor) }
        let result = try self.withAddress(path) { Glibc.connect(descriptor, $0, $1) }
        guard result != 0, errno == ECONNREFUSED || errno == ENOENT else {
            throw .inUse(path: path)
        }
    }

    private static func open(_ path: String) throws(ControlServerError) -> Int32 {
        let descriptor = socket(
            AF_UNIX,
            Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue),
            0
        )
        guard descriptor >= 0 else {
            throw .failed(call: "socket", path: path, errno: errno)
        }
        return descriptor
    }

    private static func bind(
        _ descriptor: Int32,
        at path: String
    ) throws(ControlServerError) {
        // The mask keeps the socket closed to all until chmod opens it.
        guard fchmod(descriptor, 0o600) == 0 else {
            throw .failed(call: "fchmod", path: path, errno: errno)
        }
        guard try self.withAddress(path, { Glibc.bind(descriptor, $0, $1) }) == 0 else {
            throw .failed(call: "bind", path: path, errno: errno)
        }
    }

    private static func withAddress<Result>(
        _ path: String,
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) throws(ControlServerError) -> Result {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let limit = MemoryLayout.size(ofValue: address.sun_path) - 1
        let bytes = Array(path.utf8)
        guard bytes.count <= limit else { throw .pathTooLong(path: path, limit: limit) }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    /// Asks the kernel who connected.
    static func credentials(of context: ChannelHandlerContext) throws -> CallerCredentials {
        let known = try context.pipeline.syncOperations.withUnsafeTransportIfAvailable(
            of: NIOBSDSocket.Handle.self
        ) { descriptor in
            try self.credentials(of: descriptor)
        }
        guard let known else { throw ChannelError.operationUnsupported }
        return known
    }

    private static func credentials(
        of descriptor: NIOBSDSocket.Handle
    ) throws -> CallerCredentials {
        // struct ucred, which Glibc shows only to _GNU_SOURCE: pid, uid and gid, 32 bits each.
        var peer: [UInt32] = [0, 0, 0]
        var length = socklen_t(3 * MemoryLayout<UInt32>.stride)
        guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 else {
            throw ControlServerError.failed(call: "SO_PEERCRED", path: "socket", errno: errno)
        }
        var groups = [gid_t](repeating: 0, count: 64)
        while true {
            length = socklen_t(groups.count * MemoryLayout<gid_t>.stride)
            if getsockopt(descriptor, SOL_SOCKET, SO_PEERGROUPS, &groups, &length) == 0 { break }
            // ERANGE: `length` says how much room it takes.
            guard errno == ERANGE else {
                throw ControlServerError.failed(
                    call: "SO_PEERGROUPS",
                    path: "socket",
                    errno: errno
                )
            }
            groups = [gid_t](
                repeating: 0,
                count: Int(length) / MemoryLayout<gid_t>.stride + 16
            )
        }
        return CallerCredentials(
            processID: Int32(bitPattern: peer[0]),
            userID: peer[1],
            groupID: peer[2],
            groups: Array(groups.prefix(Int(length) / MemoryLayout<gid_t>.stride))
        )
    }
}
