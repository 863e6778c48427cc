import Glibc
package import PairCore
import Synchronization

/// The sealed archives of divergent tails, one folder each under the state directory's `tails/`.
///
/// A tail is what one node has committed and the pair does not go on with. Before the node rolls it
/// back it seals everything it holds: the image of the whole vault, the log's segments after the
/// fork, and a manifest. The same archive then goes to the peer, so that no single disk holds it,
/// and stays on both until an operator discards it.
///
/// A folder is an archive from the moment it has its name, by a rename after everything in it is
/// durable; nothing in it changes after that. Other folders beside it are not archives: those whose
/// name begins with a dot are half-written and go at the next start.
///
/// One per folder and process. Thread-safe; every call may block on the disk.
package final class ArchiveStore: Sendable {
    package let directory: String
    /// Bytes of the file system that archives leave to others, first of all to the vault.
    let reserve: UInt64
    /// One tail is sealed at a time.
    let sealing = Mutex(())
    let reception = Mutex<Reception?>(nil)
    /// The archives that have been read to the end since the start; held while names change.
    let verified = Mutex<Set<String>>([])

    /// Removes what an interrupted start has left half-written.
    ///
    /// - Parameter directory: made with mode 0700 if its parent exists.
    package init(
        directory: String,
        leavingFree reserve: UInt64 = 64 << 20
    ) throws(ArchiveError) {
        self.directory = directory
        self.reserve = reserve
        do throws(SystemFailure) {
            if mkdir(directory, 0o700) != 0 {
                guard errno == EEXIST else { throw SystemFailure("mkdir", directory) }
            }
            try DurableFile.syncFolder(of: directory)
            for name in try ArchiveFolder.names(in: directory) where Self.isTemporary(name) {
                try ArchiveFolder.remove(directory + "/" + name)
            }
        } catch {
            throw ArchiveError(error)
        }
    }

    /// All archives, the oldest first.
    ///
    /// - Throws: `.damaged` rather than to pass one over; ``discard(_:)`` removes that one too.
    package func list() throws(ArchiveError) -> [NodeRecord.Tail] {
        let names: [String]
        do throws(SystemFailure) {
            names = try ArchiveFolder.names(in: self.directory)
        } catch {
            throw ArchiveError(error)
        }
        var tails: [NodeRecord.Tail] = []
        for name in names where Self.isIdentifier(name) { tails.append(try self.tail(name)) }
        return tails.sorted { ($0.wallSeconds, $0.id) < ($1.wallSeconds, $1.id) }
    }

    /// What the archive says it holds; its files are there and as long as they should be.
    package func tail(_ id: String) throws(ArchiveError) -> NodeRecord.Tail {
        try self.manifest(of: id).tail
    }

    /// The archive's files in the order in which they are to be sent, the manifest last.
    package func files(
        of id: String
    ) throws(ArchiveError) -> [(name: String, byteCount: UInt64)] {
        _ = try self.manifest(of: id)
        var files: [(name: String, byteCount: UInt64)] = []
        for file in ArchiveFile.allCases {
            files.append((file.rawValue, try self.byteCount(of: file, in: self.path(of: id), id)))
        }
        return files
    }

    /// Reads a piece of one of the archive's files; shorter than asked for at the end, then empty.
    package func read(
        _ id: String,
        file: String,
        at offset: UInt64,
        atMost byteCount: Int
    ) throws(ArchiveError) -> [UInt8] {
        try Self.check(id)
        let path = self.path(of: id) + "/" + (try Self.file(file)).rawValue
        guard byteCount > 0, offset < UInt64(Int64.max) - UInt64(byteCount) else { return [] }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else {
            if errno == ENOENT { throw .unknown(id: id) }
            throw .system(call: "opening", path: path, code: errno)
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: byteCount)
        do throws(SystemFailure) {
            let count = try DurableFile.read(
                into: &bytes,
                from: descriptor,
                at: Int(offset),
                path: path
            )
            bytes.removeLast(bytes.count - count)
        } catch {
            throw ArchiveError(error)
        }
        return bytes
    }

    /// The archive's folder, whether or not it is there; `id` is one that this store has given.
    package func path(of id: String) -> String { self.directory + "/" + id }

    /// Removes the archive for good; durable when it returns.
    ///
    /// The name goes first, at once, so that a crash leaves the whole archive or none.
    package func discard(_ id: String) throws(ArchiveError) {
        try Self.check(id)
        try self.changingNames { verified throws(SystemFailure) in
            verified.remove(id)
            let doomed = self.directory + "/.discarded-" + id
            try ArchiveFolder.remove(doomed)
            guard rename(self.path(of: id), doomed) == 0 else {
                throw SystemFailure("rename", self.path(of: id))
            }
            try DurableFile.syncFolder(of: doomed)
            try ArchiveFolder.remove(doomed)
        } orUnknown: {
            id
        }
    }

    // MARK: Names

    /// Whether a folder of that name is an archive: as ``ArchiveManifest/id`` makes them.
    ///
    /// Never a path: letters, digits, and of other characters only the hyphen.
    static func isIdentifier(_ name: String) -> Bool {
        guard name.utf8.count <= 100, name.hasPrefix("n0-") || name.hasPrefix("n1-") else {
            return false
        }
        return name.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d: true
            default: false
            }
        }
    }

    static func check(_ id: String) throws(ArchiveError) {
        guard Self.isIdentifier(id) else { throw .badName(id) }
    }

    static func file(_ name: String) throws(ArchiveError) -> ArchiveFile {
        guard let file = ArchiveFile(rawValue: name) else { throw .badName(name) }
        return file
    }

    private static func isTemporary(_ name: String) -> Bool {
        [".sealing-", ".receiving-", ".discarded-"].contains { name.hasPrefix($0) }
    }

    /// Gives the finished draft its name; durable when it returns.
    ///
    /// - Parameter id: of an archive that is not there, or is there and damaged.
    func publish(_ draft: ArchiveDraft, as id: String) throws(ArchiveError) {
        try self.changingNames { verified throws(SystemFailure) in
            let path = self.path(of: id)
            let doomed = self.directory + "/.discarded-" + id
            try ArchiveFolder.remove(doomed)
            guard rename(path, doomed) == 0 || errno == ENOENT else {
                throw SystemFailure("rename", path)
            }
            guard rename(draft.folder, path) == 0 else {
                throw SystemFailure("rename", draft.folder)
            }
            try DurableFile.syncFolder(of: path)
            verified.insert(id)
            try ArchiveFolder.remove(doomed)
        }
    }

    private func changingNames(
        _ body: (inout Set<String>) throws(SystemFailure) -> Void,
        orUnknown id: () -> String? = { nil }
    ) throws(ArchiveError) {
        try self.verified.withLock { verified throws(ArchiveError) in
            do throws(SystemFailure) {
                try body(&verified)
            } catch {
                if error.code == ENOENT, let id = id() { throw .unknown(id: id) }
                throw ArchiveError(error)
            }
        }
    }

    // MARK: Space

    /// - Throws: `.noSpace` when `byteCount` more bytes would not leave the reserve.
    func checkSpace(for byteCount: UInt64) throws(ArchiveError) {
        let available = try self.availableByteCount()
        let (needed, isHuge) = byteCount.addingReportingOverflow(self.reserve)
        guard !isHuge, needed <= available else {
            throw .noSpace(needed: isHuge ? .max : needed, available: available)
        }
    }

    func availableByteCount() throws(ArchiveError) -> UInt64 {
        var space = statvfs()
        guard statvfs(self.directory, &space) == 0 else {
            throw .system(call: "statvfs", path: self.directory, code: errno)
        }
        let (byteCount, isHuge) = UInt64(space.f_bavail)
            .multipliedReportingOverflow(by: UInt64(space.f_frsize))
        return isHuge ? .max : byteCount
    }

    /// Carries out what writes `byteCount` bytes; a disk that is full is told from one that fails.
    func writing<Answer>(
        _ byteCount: UInt64 = 0,
        _ body: () throws(SystemFailure) -> Answer
    ) throws(ArchiveError) -> Answer {
        do throws(SystemFailure) {
            return try body()
        } catch {
            guard error.code == ENOSPC || error.code == EDQUOT else { throw ArchiveError(error) }
            throw .noSpace(
                needed: byteCount + self.reserve,
                available: try self.availableByteCount()
            )
        }
    }
}
