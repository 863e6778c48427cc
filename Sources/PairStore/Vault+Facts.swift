import CSQLite
import Dispatch
import Glibc
package import PairCore
import Synchronization

// What others want to know about the vault, without changing anything.
extension Vault {
    /// The newest captured or applied position; `nil` while neither is at work.
    package var newestPosition: Position? { self.captured ?? self.applied }

    /// The size of the attached vault's pages; `nil` while it is not attached.
    package var pageSize: PageSize? { self.state.withLock { $0.vault }?.pageSize }

    /// What the last attaching found; `nil` while the vault is not attached.
    package var attachment: Attachment? { self.state.withLock { $0.attachment } }

    /// The version of the SQLite library in use.
    package static var engineVersion: String { String(cString: sqlite3_libversion()) }

    /// How big the vault and its WAL are on the disk; 0 while they cannot be seen.
    package var byteCount: UInt64 {
        ["", "-wal"].reduce(0) { sum, suffix in
            var status = stat()
            guard stat(self.configuration.path + suffix, &status) == 0 else { return sum }
            return sum + UInt64(max(0, status.st_size))
        }
    }

    /// What lies at the vault's path.
    package var content: VaultContent { Self.inspect(path: self.configuration.path) }

    /// Why a vault could not be served now, with the cure; `nil` when it could.
    package static func obstacle(path: String) -> VaultError? {
        do throws(VaultError) {
            _ = try Preflight.run(path, busyTimeout: .milliseconds(100))
            return nil
        } catch {
            return error
        }
    }

    /// Looks at a vault through a connection of SQLite's own, which disturbs no lock of ours.
    package static func inspect(path: String) -> VaultContent {
        do throws(VaultError) {
            let finding = try Preflight.run(path, busyTimeout: .milliseconds(100))
            return finding.hasTables
                ? .withTables(finding.pageSize) : .withoutTables(finding.pageSize)
        } catch {
            switch error {
            case .missing, .empty: return .missing
            default: return .unusable("\(error)")
            }
        }
    }

    /// The process that holds SQLite's write lock at this moment; `nil` for none, and while the lock
    /// is ours.
    package func writer() throws(VaultError) -> LockHolder? {
        guard let vault = self.state.withLock({ $0.vault }),
            let holder = try vault.files.holder(of: .write, .exclusive), holder.pid != getpid()
        else { return nil }
        return holder
    }

    private static let keptLogSuffix = "-log"

    /// Keeps what the log holds in a folder of its own, because the vault that it led to is gone.
    ///
    /// - Returns: the folder.
    package func keepLog() throws(VaultError) -> String {
        let folder: String
        do throws(SystemFailure) {
            folder = try SeedPlacement.keepingFolder(
                in: self.configuration.stateDirectory,
                suffix: Self.keptLogSuffix
            )
        } catch {
            throw VaultError(error)
        }
        do throws(SegmentStoreError) {
            try self.log.keep(in: folder)
        } catch {
            throw .log(error)
        }
        return folder
    }

    /// The folders that ``keepLog()`` has made and nobody has removed.
    package var keptLogs: [String] {
        let tails = self.configuration.stateDirectory + "/tails"
        let names = (try? ArchiveFolder.names(in: tails)) ?? []
        return names.filter { $0.hasSuffix(Self.keptLogSuffix) }.map { tails + "/" + $0 }
    }

    /// Removes a folder that ``keepLog()`` has made, when nothing in it is needed.
    package func dropLog(keptIn folder: String) throws(VaultError) {
        do throws(SystemFailure) {
            try ArchiveFolder.remove(folder)
        } catch {
            throw VaultError(error)
        }
    }

    /// Somebody has written to the database in custody beside SQLite, as copying over it does.
    ///
    /// It is remembered until capture begins anew: what applications make of such a vault may look as if
    /// it followed the log.
    package var isTamperedWith: Bool {
        guard self.state.withLock({ $0.vault })?.isTamperedWith ?? false else { return false }
        self.rememberOverwriting()
        return true
    }

    /// Whether the vault in custody is still what lies at its path.
    ///
    /// - Throws: `.replaced` with the first path that names another file or none.
    package func checkFiles() throws(VaultError) {
        if self.isTamperedWith { throw .replaced(path: self.configuration.path) }
        if let path = self.state.withLock({ $0.vault })?.files.displaced() {
            throw .replaced(path: path)
        }
    }

    /// Layer 1 is held, on a vault that is not attached at this moment as well.
    package var keepsGate: Bool {
        VaultFiles.openedBefore(self.configuration.path).map { Gate.of($0).isClosed } ?? false
    }

    /// Whether certainly nothing lies at `path`, or an empty file; asks the file system only, so that
    /// no lock of anybody's can hold the answer up.
    package static func isMissing(path: String) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0 else { return errno == ENOENT || errno == ENOTDIR }
        return status.st_mode & S_IFMT == S_IFREG && status.st_size == 0
    }

    /// Whether a database lies at `path` whose header lets applications write to it.
    ///
    /// The marker may be in its WAL alone; the attachment knows better then.
    package static func lacksMarker(path: String) -> Bool {
        // Closing any descriptor of a file would give up the locks that SQLite has on it for us.
        let files = VaultFiles.openedBefore(path)
        let known = files?.isDatabaseDisplaced == false ? files?.database : nil
        let descriptor = known ?? open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { if known == nil { close(descriptor) } }
        var header = [UInt8](repeating: 0, count: Marker.byteOffset + 1)
        guard pread(descriptor, &header, header.count, 0) == header.count else { return false }
        return header[Marker.byteOffset] != Marker.set
    }

    /// SQLite's own check of the whole vault: "ok", or what it found first.
    package func integrityCheck() throws(VaultError) -> String {
        let connection = try SQLiteConnection(path: self.configuration.path)
        return try connection.text("PRAGMA integrity_check(1)", doing: "checking the vault") ?? ""
    }

    /// Says whether a vault can be served from this path at all.
    ///
    /// - Throws: `.networkFileSystem`, `.otherDaemon` and others that no waiting will cure.
    package func checkPlace() throws(VaultError) {
        do throws(VaultError) {
            _ = try Preflight.run(self.configuration.path, busyTimeout: .milliseconds(100))
        } catch {
            switch error {
            case .networkFileSystem: throw error
            default: return
            }
        }
    }

    /// Waits for a mark at the newest state; never to be called on the capture's thread.
    package func beginMark(timeout: Duration) throws(VaultError) -> Mark {
        let box = Mutex<(result: Result<Mark, VaultError>?, isGivenUp: Bool)>((nil, false))
        let ready = DispatchSemaphore(value: 0)
        self.withMark { result in
            let isLate = box.withLock { state in
                state.result = result
                return state.isGivenUp
            }
            if isLate, case .success(let mark) = result { mark.end() }
            ready.signal()
        }
        let outcome = ready.wait(timeout: .now() + timeout.inSeconds)
        let result = box.withLock { state in
            state.isGivenUp = outcome == .timedOut && state.result == nil
            return state.result
        }
        guard let result else { throw .timedOut("a mark") }
        return try result.get()
    }
}

extension PageMap {
    /// The first 16 bytes of every page's hash, from page 1; zeros where a page is absent.
    package var shortHashes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(self.pageCount) * 16)
        for number in 1..<self.pageCount + 1 {
            let lanes = self[PageNumber(number)].lanes
            for lane in [lanes.0, lanes.1] {
                withUnsafeBytes(of: lane.littleEndian) { bytes.append(contentsOf: $0) }
            }
        }
        return bytes
    }
}
