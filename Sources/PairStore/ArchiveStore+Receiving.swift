package import PairCore
import Synchronization

extension ArchiveStore {
    /// An archive that the peer is sending.
    struct Reception: Sendable {
        let id: String
        var draft: ArchiveDraft
    }

    /// Takes a piece of an archive that the peer sends, in order, each file from its beginning.
    ///
    /// The pieces may say anything: nothing is an archive before all of it has been compared with
    /// its manifest. The image's first piece begins anew; any error ends the reception and removes
    /// what has come.
    ///
    /// - Parameter isLast: nothing of the archive follows; only ever true of the manifest.
    /// - Returns: the tail once the archive is whole and durable here, for the first piece when it was
    ///   before; only ever once.
    /// - Throws: `.badName`, `.outOfOrder`, `.tooLong`, `.damaged` for what the peer got wrong;
    ///   `.noSpace`, `.system` for what is wrong here.
    package func receive(
        id: String,
        file name: String,
        at offset: UInt64,
        _ bytes: [UInt8],
        isLast: Bool
    ) throws(ArchiveError) -> NodeRecord.Tail? {
        try Self.check(id)
        let file = try Self.file(name)
        return try self.reception.withLock { reception throws(ArchiveError) in
            if reception?.id != id, let tail = try self.wholeTail(id) {
                // Of what is here already the first piece says so; the others are on their way.
                return file == .image && offset == 0 ? tail : nil
            }
            do throws(ArchiveError) {
                if file == .image, offset == 0 { try self.begin(id, &reception) }
                return try self.take(id, file, offset, bytes, isLast: isLast, &reception)
            } catch {
                Self.abandon(&reception)
                throw error
            }
        }
    }

    private func begin(_ id: String, _ reception: inout Reception?) throws(ArchiveError) {
        Self.abandon(&reception)
        let draft = try self.writing { () throws(SystemFailure) in
            try ArchiveDraft(in: self.directory + "/.receiving-" + id)
        }
        reception = Reception(id: id, draft: draft)
    }

    private static func abandon(_ reception: inout Reception?) {
        reception?.draft.abandon()
        reception = nil
    }

    private func take(
        _ id: String,
        _ file: ArchiveFile,
        _ offset: UInt64,
        _ bytes: [UInt8],
        isLast: Bool,
        _ reception: inout Reception?
    ) throws(ArchiveError) -> NodeRecord.Tail? {
        guard var current = reception, current.id == id else {
            throw .outOfOrder(id: id, file: file.rawValue, expected: nil, found: offset)
        }
        let isNext = current.draft.file.next == file
        let expected = current.draft.file == file ? current.draft.byteCount : isNext ? 0 : nil
        guard offset == expected, file == .manifest || !isLast else {
            throw .outOfOrder(id: id, file: file.rawValue, expected: expected, found: offset)
        }
        try self.checkSpace(for: UInt64(bytes.count))
        if file == .manifest, offset + UInt64(bytes.count) > UInt64(ArchiveManifest.longest) {
            throw .tooLong(id: id, file: file.rawValue, limit: ArchiveManifest.longest)
        }
        let result: Result<Void, ArchiveError>
        do throws(ArchiveError) {
            try self.writing(UInt64(bytes.count)) { () throws(SystemFailure) in
                if current.draft.file != file { try current.draft.begin(file) }
                try current.draft.append(bytes)
                if isLast { try current.draft.finish() }
            }
            result = .success(())
        } catch {
            result = .failure(error)
        }
        // Also after a failure: the draft knows which descriptor is to be closed.
        reception = current
        try result.get()
        guard isLast else { return nil }
        let manifest = try self.manifest(in: current.draft.folder, id)
        try self.verify(manifest, in: current.draft.folder)
        try self.publish(current.draft, as: id)
        reception = nil
        return manifest.tail
    }
}
