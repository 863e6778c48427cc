import Glibc

/// The text of an errno.
enum SystemText {
    static func of(_ code: Int32) -> String {
        guard let text = strerror(code) else { return "error \(code)" }
        return String(cString: text)
    }
}

/// A call of the system that failed.
struct SystemFailure: Error {
    let call: String
    let path: String
    let code: Int32

    /// Takes errno; to be made right after the call.
    init(_ call: String, _ path: String) {
        self.call = call
        self.path = path
        self.code = errno
    }
}

/// Small files that are replaced as a whole, and calls on descriptors that do not give up halfway.
enum DurableFile {
    /// Makes `bytes` the content of `path`: written beside it, synced, renamed, folder synced.
    ///
    /// After a crash at any point the file has its old or its new content.
    static func replace(
        _ path: String,
        with bytes: [UInt8],
        mode: mode_t = 0o600
    ) throws(SystemFailure) {
        let temporary = path + ".new"
        let descriptor = open(
            temporary,
            O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
            mode
        )
        guard descriptor >= 0 else { throw SystemFailure("creation", temporary) }
        do throws(SystemFailure) {
            try self.write(bytes[...], to: descriptor, at: 0, path: temporary)
            guard SyncTimes.sync(descriptor) == 0 else { throw SystemFailure("fsync", temporary) }
        } catch {
            close(descriptor)
            throw error
        }
        close(descriptor)
        guard rename(temporary, path) == 0 else { throw SystemFailure("rename", temporary) }
        try self.syncFolder(of: path)
    }

    /// The whole content of a small file; `nil` when there is none.
    static func read(_ path: String, limit: Int = 1 << 24) throws(SystemFailure) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw SystemFailure("opening", path)
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw SystemFailure("fstat", path) }
        var bytes = [UInt8](repeating: 0, count: min(Int(status.st_size), limit))
        let count = try self.read(into: &bytes, from: descriptor, at: 0, path: path)
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    /// Makes the names in the folder of `path` durable.
    static func syncFolder(of path: String) throws(SystemFailure) {
        let folder = self.folder(of: path)
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemFailure("opening", folder) }
        defer { close(descriptor) }
        guard SyncTimes.sync(descriptor) == 0 else { throw SystemFailure("fsync", folder) }
    }

    static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    static func write(
        _ bytes: ArraySlice<UInt8>,
        to descriptor: Int32,
        at offset: Int,
        path: String
    ) throws(SystemFailure) {
        let failed = bytes.withUnsafeBytes { raw in
            self.writeAll(raw, to: descriptor, at: offset)
        }
        guard failed else { return }
        throw SystemFailure("write", path)
    }

    /// Fills `bytes` as far as the file reaches and says how far that was.
    static func read(
        into bytes: inout [UInt8],
        from descriptor: Int32,
        at offset: Int,
        path: String
    ) throws(SystemFailure) -> Int {
        let count = bytes.withUnsafeMutableBytes { raw -> Int? in
            var done = 0
            while done < raw.count {
                let part = UnsafeMutableRawBufferPointer(rebasing: raw[done...])
                let read = pread(descriptor, part.baseAddress, part.count, off_t(offset + done))
                if read < 0 && errno == EINTR { continue }
                guard read >= 0 else { return nil }
                guard read > 0 else { break }
                done += read
            }
            return done
        }
        guard let count else { throw SystemFailure("read", path) }
        return count
    }

    /// Writes all of `bytes`; answers whether it failed, with errno set.
    static func writeAll(
        _ bytes: UnsafeRawBufferPointer,
        to descriptor: Int32,
        at offset: Int
    ) -> Bool {
        var done = 0
        while done < bytes.count {
            let part = UnsafeRawBufferPointer(rebasing: bytes[done...])
            let written = pwrite(descriptor, part.baseAddress, part.count, off_t(offset + done))
            if written < 0 && errno == EINTR { continue }
            guard written > 0 else {
                if written == 0 { errno = ENOSPC }
                return true
            }
            done += written
        }
        return false
    }
}
