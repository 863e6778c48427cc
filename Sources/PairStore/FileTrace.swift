import Glibc

/// What the file system tells of a file without a look into it: whoever writes to it changes that.
struct FileTrace: Equatable {
    private let device: dev_t
    private let inode: ino_t
    private let byteCount: off_t
    private let seconds: Int
    private let nanoseconds: Int

    /// - Returns: `nil` when the file cannot be looked at.
    init?(_ descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }

    private init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        self.init(status)
    }

    private init(_ status: stat) {
        self.device = status.st_dev
        self.inode = status.st_ino
        self.byteCount = status.st_size
        self.seconds = status.st_mtim.tv_sec
        self.nanoseconds = status.st_mtim.tv_nsec
    }

    /// Of the vault at `path` and of its WAL, as far as they are there.
    static func ofVault(at path: String) -> [FileTrace?] { [Self(path), Self(path + "-wal")] }
}
