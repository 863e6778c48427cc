import Glibc
import PairCore
import Synchronization

extension ArchiveStore {
    /// Whether the archive is here and whole; read to the end once, and believed from then on.
    ///
    /// - Returns: `nil` when it is not here, or is damaged and has to be written anew.
    func wholeTail(_ id: String) throws(ArchiveError) -> NodeRecord.Tail? {
        do throws(ArchiveError) {
            let manifest = try self.manifest(of: id)
            if self.verified.withLock({ $0.contains(id) }) { return manifest.tail }
            try self.verify(manifest, in: self.path(of: id))
            self.verified.withLock { _ = $0.insert(id) }
            return manifest.tail
        } catch {
            switch error {
            case .unknown, .damaged: return nil
            default: throw error
            }
        }
    }

    /// - Throws: `.unknown`; `.damaged` when the manifest or the length of a file is not right.
    func manifest(of id: String) throws(ArchiveError) -> ArchiveManifest {
        try Self.check(id)
        guard access(self.path(of: id), F_OK) == 0 else {
            guard errno == ENOENT else {
                throw .system(call: "access", path: self.path(of: id), code: errno)
            }
            throw .unknown(id: id)
        }
        return try self.manifest(in: self.path(of: id), id)
    }

    /// The manifest in a folder that is, or is to become, archive `id`.
    func manifest(in folder: String, _ id: String) throws(ArchiveError) -> ArchiveManifest {
        let file = ArchiveFile.manifest.rawValue
        let bytes: [UInt8]?
        do throws(SystemFailure) {
            bytes = try DurableFile.read(folder + "/" + file, limit: ArchiveManifest.longest + 1)
        } catch {
            throw ArchiveError(error)
        }
        guard let bytes else { throw .damaged(id: id, .missing(file: file)) }
        let manifest: ArchiveManifest
        do throws(ArchiveFieldError) {
            manifest = try ArchiveManifest(decoding: bytes)
        } catch {
            throw .damaged(id: id, .manifest(field: error.field))
        }
        guard manifest.id == id else {
            throw .damaged(id: id, .wrongName(described: manifest.id))
        }
        try self.check(.image, manifest.image.byteCount, in: folder, id)
        try self.check(.segments, manifest.segments.byteCount, in: folder, id)
        return manifest
    }

    private func check(
        _ file: ArchiveFile,
        _ expected: UInt64,
        in folder: String,
        _ id: String
    ) throws(ArchiveError) {
        let found = try self.byteCount(of: file, in: folder, id)
        guard found == expected else {
            throw .damaged(
                id: id,
                .wrongLength(file: file.rawValue, expected: expected, found: found)
            )
        }
    }

    func byteCount(
        of file: ArchiveFile,
        in folder: String,
        _ id: String
    ) throws(ArchiveError) -> UInt64 {
        let path = folder + "/" + file.rawValue
        var status = stat()
        guard lstat(path, &status) == 0 else {
            guard errno == ENOENT else { throw .system(call: "lstat", path: path, code: errno) }
            throw .damaged(id: id, .missing(file: file.rawValue))
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw .damaged(id: id, .missing(file: file.rawValue))
        }
        return UInt64(status.st_size)
    }

    /// Reads image and segments and compares them with what the manifest says of them.
    func verify(_ manifest: ArchiveManifest, in folder: String) throws(ArchiveError) {
        let id = manifest.id
        let pageSize = manifest.image.pageSize
        let hasher = PageHasher()
        var digest = VaultDigest.empty
        var number: UInt32 = 0
        var isDatabase = false
        try self.forEachBlock(of: .image, in: folder, id) { block in
            for start in stride(from: 0, to: block.count, by: pageSize.byteCount) {
                // The length has been compared with the manifest's page count, which fits.
                number += 1
                let end = min(start + pageSize.byteCount, block.count)
                let image = UnsafeRawBufferPointer(rebasing: block[start..<end])
                if number == 1 { isDatabase = Self.opensByItself(image, pageSize) }
                guard PageNumber(number) != pageSize.lockPage else { continue }
                digest.replace(.absent, with: hasher.hash(PageNumber(number), image))
            }
        }
        guard isDatabase else { throw .damaged(id: id, .imageHeader) }
        guard digest == manifest.image.digest else {
            throw .damaged(
                id: id,
                .imageDigest(expected: manifest.image.digest, found: digest)
            )
        }
        let checksum = ArchiveSHA256()
        try self.forEachBlock(of: .segments, in: folder, id) { checksum.update($0) }
        guard checksum.finish() == manifest.segments.checksum else {
            throw .damaged(id: id, .segmentsChecksum)
        }
    }

    /// SQLite's name, the page size, and WAL mode without the marker; no digest counts the marker.
    private static func opensByItself(_ page: UnsafeRawBufferPointer, _ size: PageSize) -> Bool {
        guard page.count == size.byteCount else { return false }
        let spelt = Int(page[16]) << 8 | Int(page[17])
        return page.prefix(16).elementsEqual("SQLite format 3\0".utf8)
            && (spelt == 1 ? 65_536 : spelt) == size.byteCount
            && page[Marker.byteOffset] == Marker.cleared
    }

    /// Calls `body` with the file in blocks of 1 MiB, the last one perhaps shorter.
    private func forEachBlock(
        of file: ArchiveFile,
        in folder: String,
        _ id: String,
        _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(ArchiveError) {
        let path = folder + "/" + file.rawValue
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw .system(call: "opening", path: path, code: errno) }
        defer { close(descriptor) }
        var block = [UInt8](repeating: 0, count: 1 << 20)
        var offset = 0
        while true {
            let count: Int
            do throws(SystemFailure) {
                count = try DurableFile.read(
                    into: &block,
                    from: descriptor,
                    at: offset,
                    path: path
                )
            } catch {
                throw ArchiveError(error)
            }
            guard count > 0 else { return }
            block.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            offset += count
        }
    }
}
