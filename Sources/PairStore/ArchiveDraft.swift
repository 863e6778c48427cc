import Glibc

/// The files of an archive, in the order in which they are written and sent.
enum ArchiveFile: String, CaseIterable, Sendable {
    /// A database that opens by itself.
    case image = "vault.db"
    case segments = "segments.log"
    /// Last, so that nothing is an archive before all of it is there.
    case manifest = "manifest.json"

    var next: ArchiveFile? {
        switch self {
        case .image: .segments
        case .segments: .manifest
        case .manifest: nil
        }
    }
}

/// An archive that is being written, in a folder whose name no archive can have.
///
/// Every file is synced before the next one begins. The folder becomes an archive by a rename, the
/// last step; whoever dies before leaves a folder that the next start removes.
struct ArchiveDraft: Sendable {
    let folder: String
    private(set) var file: ArchiveFile = .image
    /// How long ``file`` is by now.
    private(set) var byteCount: UInt64 = 0
    private var descriptor: Int32

    /// Begins with an empty image; what an earlier attempt has left in `folder` is removed.
    init(in folder: String) throws(SystemFailure) {
        try ArchiveFolder.remove(folder)
        guard mkdir(folder, 0o700) == 0 else { throw SystemFailure("mkdir", folder) }
        self.folder = folder
        self.descriptor = -1
        do throws(SystemFailure) {
            self.descriptor = try Self.create(self.path)
        } catch {
            try ArchiveFolder.remove(folder)
            throw error
        }
    }

    private var path: String { self.folder + "/" + self.file.rawValue }

    mutating func append(_ bytes: UnsafeRawBufferPointer) throws(SystemFailure) {
        let offset = Int(self.byteCount)
        if DurableFile.writeAll(bytes, to: self.descriptor, at: offset) {
            throw SystemFailure("write", self.path)
        }
        self.byteCount += UInt64(bytes.count)
    }

    mutating func append(_ bytes: [UInt8]) throws(SystemFailure) {
        try bytes.span.bytes.withUnsafeBytes { raw throws(SystemFailure) in try self.append(raw) }
    }

    /// Makes the file durable and goes on with `next`.
    mutating func begin(_ next: ArchiveFile) throws(SystemFailure) {
        try self.closeFile()
        self.file = next
        self.byteCount = 0
        self.descriptor = try Self.create(self.path)
    }

    /// Makes the last file and the names of all durable.
    mutating func finish() throws(SystemFailure) {
        try self.closeFile()
        try DurableFile.syncFolder(of: self.path)
    }

    /// Removes what was written, as far as the disk lets it: the next start removes the rest.
    mutating func abandon() {
        if self.descriptor >= 0 { close(self.descriptor) }
        self.descriptor = -1
        do throws(SystemFailure) {
            try ArchiveFolder.remove(self.folder)
        } catch {
            // Why the archive was given up is the news, and is on its way already.
        }
    }

    private mutating func closeFile() throws(SystemFailure) {
        guard SyncTimes.sync(self.descriptor) == 0 else { throw SystemFailure("fsync", self.path) }
        close(self.descriptor)
        self.descriptor = -1
    }

    private static func create(_ path: String) throws(SystemFailure) -> Int32 {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
        let descriptor = open(path, flags, 0o600)
        guard descriptor >= 0 else { throw SystemFailure("creation", path) }
        return descriptor
    }
}

/// Folders that hold files only.
enum ArchiveFolder {
    /// The names in a folder, in rising order.
    static func names(in folder: String) throws(SystemFailure) -> [String] {
        guard let stream = opendir(folder) else { throw SystemFailure("opening", folder) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Removes the folder and the files in it, if it is there.
    static func remove(_ folder: String) throws(SystemFailure) {
        let names: [String]
        do throws(SystemFailure) {
            names = try self.names(in: folder)
        } catch {
            if error.code == ENOENT { return }
            throw error
        }
        for name in names where unlink(folder + "/" + name) != 0 && errno != ENOENT {
            throw SystemFailure("unlink", folder + "/" + name)
        }
        guard rmdir(folder) == 0 || errno == ENOENT else { throw SystemFailure("rmdir", folder) }
    }
}
