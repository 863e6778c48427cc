import Glibc

extension Identity {
    /// Overwrites and removes all keys under `folder`; the running daemon keeps its own in memory.
    ///
    /// Overwriting reaches the blocks that the file system kept in place; a device that moves blocks
    /// by itself may still hold old ones.
    package static func wipe(from folder: String) throws(IdentityError) {
        for name in ["signing.key", "tls.key", "tls.crt"] {
            let path = folder + "/" + name
            let descriptor = open(path, O_WRONLY | O_CLOEXEC)
            guard descriptor >= 0 else {
                if errno == ENOENT { continue }
                throw .failed(call: "open", path: path, errno: errno)
            }
            defer { close(descriptor) }
            var status = stat()
            let zeros: [UInt8]
            if fstat(descriptor, &status) == 0 {
                zeros = [UInt8](repeating: 0, count: Int(status.st_size))
            } else {
                zeros = []
            }
            guard write(descriptor, zeros, zeros.count) == zeros.count, fsync(descriptor) == 0,
                unlink(path) == 0
            else { throw .failed(call: "wipe", path: path, errno: errno) }
        }
    }
}
