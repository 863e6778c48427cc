import COpenSSL
import Glibc

/// The folder that holds this node's keys: mode 0700, files 0600, nobody else's.
///
/// A file appears whole or not at all: it is written under another name, synced, renamed, and the
/// folder is synced.
struct KeyFolder {
    let path: String

    /// Makes the folder if it is missing, and checks that nobody else can look into it.
    func prepare(creating: Bool) throws(IdentityError) {
        if creating, mkdir(self.path, 0o700) != 0, errno != EEXIST {
            throw .failed(call: "mkdir", path: self.path, errno: errno)
        }
        var status = stat()
        guard lstat(self.path, &status) == 0 else {
            throw errno == ENOENT
                ? .missing(path: self.path)
                : .failed(call: "lstat", path: self.path, errno: errno)
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw .notAFolder(path: self.path) }
        try self.check(status, of: self.path, allowed: 0o700)
    }

    /// The contents of a file; `nil` when there is none.
    func read(_ name: String, limit: Int = 16_384) throws(IdentityError) -> SecretBytes? {
        let path = self.path(of: name)
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw .failed(call: "open", path: path, errno: errno)
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw .failed(call: "fstat", path: path, errno: errno)
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile(path: path) }
        try self.check(status, of: path, allowed: 0o600)
        return try SecretBytes(byteCount: limit) { memory throws(IdentityError) in
            var count = 0
            while count < memory.count {
                let read = Glibc.read(
                    descriptor,
                    memory.baseAddress?.advanced(by: count),
                    memory.count - count
                )
                if read == 0 { break }
                if read < 0 {
                    if errno == EINTR { continue }
                    throw .failed(call: "read", path: path, errno: errno)
                }
                count += read
            }
            return count
        }
    }

    func write(_ bytes: SecretBytes, to name: String) throws(IdentityError) {
        let path = self.path(of: name)
        let newPath = path + ".new"
        // What an earlier start left behind when it died half-way.
        unlink(newPath)
        let descriptor = open(newPath, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .failed(call: "open", path: newPath, errno: errno) }
        defer { close(descriptor) }
        try bytes.withUnsafeBytes { bytes throws(IdentityError) in
            var rest = bytes
            while let start = rest.baseAddress, !rest.isEmpty {
                let written = Glibc.write(descriptor, start, rest.count)
                if written < 0 {
                    if errno == EINTR { continue }
                    throw .failed(call: "write", path: newPath, errno: errno)
                }
                rest = UnsafeRawBufferPointer(rebasing: rest[written...])
            }
        }
        guard fsync(descriptor) == 0 else {
            throw .failed(call: "fsync", path: newPath, errno: errno)
        }
        guard rename(newPath, path) == 0 else {
            throw .failed(call: "rename", path: newPath, errno: errno)
        }
        try self.sync()
    }

    private func sync() throws(IdentityError) {
        let folder = open(self.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw .failed(call: "open", path: self.path, errno: errno) }
        defer { close(folder) }
        guard fsync(folder) == 0 else {
            throw .failed(call: "fsync", path: self.path, errno: errno)
        }
    }

    func path(of name: String) -> String { self.path + "/" + name }

    private func check(
        _ status: stat,
        of path: String,
        allowed: mode_t
    ) throws(IdentityError) {
        guard status.st_uid == geteuid() else {
            throw .foreignOwner(path: path, owner: status.st_uid, expected: geteuid())
        }
        let mode = status.st_mode & 0o7777
        guard mode & ~allowed == 0 else {
            throw .looseMode(path: path, mode: UInt32(mode), allowed: UInt32(allowed))
        }
    }
}
