import Glibc
import PairCore

/// Puts a finished seed in the vault's place.
enum SeedPlacement {
    /// Creates an empty file with the owner, group and mode of `model`, else 0660 and the folder's group.
    static func create(_ path: String, like model: String) throws(SystemFailure) -> Int32 {
        guard unlink(path) == 0 || errno == ENOENT else { throw SystemFailure("unlink", path) }
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw SystemFailure("creation", path) }
        do throws(SystemFailure) {
            var status = stat()
            let hasModel = stat(model, &status) == 0
            if !hasModel, stat(DurableFile.folder(of: path), &status) != 0 {
                throw SystemFailure("stat", DurableFile.folder(of: path))
            }
            // Without the right to give the file away it keeps ours, as any new file would.
            _ = fchown(descriptor, hasModel ? status.st_uid : uid_t.max, status.st_gid)
            guard fchmod(descriptor, hasModel ? status.st_mode & 0o7777 : 0o660) == 0 else {
                throw SystemFailure("chmod", path)
            }
        } catch {
            close(descriptor)
            throw error
        }
        return descriptor
    }

    /// Moves the seed to the vault's path, after what lies there was moved aside.
    ///
    /// The old log goes before the seed comes: SQLite would play it over the new file.
    static func place(_ path: String, aside stateDirectory: String) throws(SystemFailure) {
        _ = try self.moveAside(path, to: stateDirectory, named: "replaced")
        guard rename(path + ".seed", path) == 0 else {
            throw SystemFailure("rename", path + ".seed")
        }
        try DurableFile.syncFolder(of: path)
    }

    /// Moves a vault's files into a folder of their own under `tails`; durable when it returns.
    ///
    /// A crash in between leaves them apart: none of them is lost, and what is left at the path is
    /// moved the next time.
    ///
    /// - Returns: the folder; `nil` when there was nothing to move.
    static func moveAside(
        _ path: String,
        to stateDirectory: String,
        named suffix: String
    ) throws(SystemFailure) -> String? {
        let all: [String] = [path, path + "-wal", path + "-shm"]
        let names = all.filter { access($0, F_OK) == 0 }
        guard !names.isEmpty else { return nil }
        let folder = try self.asideFolder(stateDirectory, path, suffix)
        for name in names {
            let target = folder + "/" + String(name.split(separator: "/").last ?? "vault")
            guard rename(name, target) == 0 else { throw SystemFailure("rename", name) }
        }
        try DurableFile.syncFolder(of: folder + "/.")
        try DurableFile.syncFolder(of: path)
        return folder
    }

    /// A new folder, on the file system of `path`, so that moving is only renaming.
    private static func asideFolder(
        _ stateDirectory: String,
        _ path: String,
        _ suffix: String
    ) throws(SystemFailure) -> String {
        let tails = stateDirectory + "/tails"
        try self.makeFolder(stateDirectory)
        try self.makeFolder(tails)
        var state = stat()
        var vault = stat()
        guard stat(tails, &state) == 0 else { throw SystemFailure("stat", tails) }
        let parent = DurableFile.folder(of: path)
        guard stat(parent, &vault) == 0 else { throw SystemFailure("stat", parent) }
        let beside = state.st_dev == vault.st_dev ? tails + "/" : path + "."
        return try self.newFolder(beside, suffix: "-" + suffix)
    }

    /// A new folder under `tails`, named by the time.
    static func keepingFolder(
        in stateDirectory: String,
        suffix: String
    ) throws(SystemFailure) -> String {
        try self.makeFolder(stateDirectory)
        try self.makeFolder(stateDirectory + "/tails")
        return try self.newFolder(stateDirectory + "/tails/", suffix: suffix)
    }

    private static func newFolder(
        _ prefix: String,
        suffix: String
    ) throws(SystemFailure) -> String {
        var seconds = time(nil)
        while true {
            let folder = prefix + "\(seconds)" + suffix
            if mkdir(folder, 0o700) == 0 {
                try DurableFile.syncFolder(of: folder)
                return folder
            }
            guard errno == EEXIST else { throw SystemFailure("mkdir", folder) }
            seconds += 1
        }
    }

    private static func makeFolder(_ path: String) throws(SystemFailure) {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw SystemFailure("mkdir", path)
        }
    }
}

/// Locks that show that no process has a vault's files open, and keep it so.
///
/// `~Copyable`: closing the descriptors gives the locks back. The vault is not attached in this
/// process, so that closing costs no lock of ours.
struct Solitude: ~Copyable {
    private let descriptors: [Int32]

    /// - Throws: `.attached` with the processes that have the vault open.
    init(at path: String) throws(VaultError) {
        let places: [(path: String, start: off_t, length: off_t)] = [
            (path, 0x4000_0002, 510), (path + "-shm", 128, 1),
        ]
        var descriptors: [Int32] = []
        var holders: Set<Int32> = []
        var isHeld = false
        for place in places {
            let descriptor = open(place.path, O_RDWR | O_CLOEXEC)
            guard descriptor >= 0 else { continue }
            descriptors.append(descriptor)
            guard !Self.lock(descriptor, place.start, place.length) else { continue }
            isHeld = true
            holders.formUnion(Self.holders(of: descriptor))
        }
        guard !isHeld else {
            // Before the value is complete: from then on `deinit` closes them, also after a throw.
            for descriptor in descriptors { close(descriptor) }
            throw .attached(path: path, pids: holders.sorted())
        }
        self.descriptors = descriptors
    }

    deinit { for descriptor in self.descriptors { close(descriptor) } }

    private static func lock(_ descriptor: Int32, _ start: off_t, _ length: off_t) -> Bool {
        var request = self.request(start, length)
        return fcntl(descriptor, Int32(37), &request) == 0
    }

    /// The processes that hold POSIX locks on the file; the kernel's list names them all at once.
    private static func holders(of descriptor: Int32) -> Set<Int32> {
        var status = stat()
        guard fstat(descriptor, &status) == 0, let list = fopen("/proc/locks", "re") else {
            return []
        }
        defer { fclose(list) }
        var found: Set<Int32> = []
        var line = [CChar](repeating: 0, count: 512)
        while fgets(&line, Int32(line.count), list) != nil {
            let text = line.withUnsafeBytes {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            // 1: POSIX  ADVISORY  READ 4711 08:01:131072 128 128
            let words = text.split(separator: " ")
            guard words.count > 5, let pid = Int32(words[4]), pid > 0,
                words[5].hasSuffix(":\(status.st_ino)")
            else { continue }
            found.insert(pid)
        }
        return found
    }

    private static func request(_ start: off_t, _ length: off_t) -> flock {
        flock(
            l_type: Int16(F_WRLCK),
            l_whence: Int16(SEEK_SET),
            l_start: start,
            l_len: length,
            l_pid: 0
        )
    }
}
