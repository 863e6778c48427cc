package import PairCore
import PairWAL
import Synchronization

extension ArchiveStore {
    /// Seals what this node holds and the survivor may not; durable when it returns.
    ///
    /// The image is all that the vault holds at rest, whatever the log knows of it: that is what a
    /// rollback destroys. The same tail gives the same name, and is written once; an archive of that
    /// name that is damaged is replaced.
    ///
    /// - Parameters:
    ///   - vault: attached, its gate closed, neither captured nor applied to.
    ///   - fork: the last position that the survivor has too; `nil` when none is known.
    ///   - position: where this node's history has come to.
    ///   - wallSeconds: since 1970, for display only.
    /// - Throws: `.noSpace` before anything is written; `.vaultChanged` and others when the vault
    ///   cannot be read as it was found. Nothing may be rolled back then.
    package func seal(
        _ vault: Vault,
        node: NodeBit,
        nodeName: String,
        after fork: Position?,
        to position: Position,
        lineage: Lineage,
        wallSeconds: Int64
    ) throws(ArchiveError) -> NodeRecord.Tail {
        try self.sealing.withLock { _ throws(ArchiveError) in
            try vault.withRestSnapshot { rest throws(ArchiveError) in
                let manifest = ArchiveManifest(
                    node: node,
                    nodeName: nodeName,
                    fork: fork,
                    end: position,
                    lineage: lineage,
                    wallSeconds: wallSeconds,
                    image: ArchiveManifest.Image(
                        pageSize: rest.pages.pageSize,
                        pageCount: rest.pages.pageCount,
                        digest: rest.pages.digest
                    ),
                    segments: .none
                )
                if let tail = try self.wholeTail(manifest.id) { return tail }
                return try self.write(manifest, rest.snapshot, vault.log)
            }
        }
    }

    /// - Parameter manifest: complete but for the segments.
    private func write(
        _ manifest: ArchiveManifest,
        _ snapshot: Snapshot,
        _ log: SegmentStore
    ) throws(ArchiveError) -> NodeRecord.Tail {
        var manifest = manifest
        let id = manifest.id
        let extent: SegmentStore.Extent?
        do throws(SegmentStoreError) {
            extent = try log.extent(after: manifest.fork?.txid)
        } catch {
            throw .vault(.log(error))
        }
        let segmentsByteCount = extent?.byteCount ?? 0
        try self.checkSpace(
            for: manifest.image.byteCount + segmentsByteCount + UInt64(manifest.encoded.count)
        )
        var draft = try self.writing { () throws(SystemFailure) in
            try ArchiveDraft(in: self.directory + "/.sealing-" + id)
        }
        do throws(ArchiveError) {
            let digest = try self.writeImage(of: snapshot, to: &draft)
            guard digest == manifest.image.digest else {
                throw .vaultChanged(expected: manifest.image.digest, found: digest)
            }
            try self.writing { () throws(SystemFailure) in try draft.begin(.segments) }
            if let extent {
                manifest.segments = try self.writeSegments(of: log, extent, to: &draft)
            }
            try self.writing { () throws(SystemFailure) in
                try draft.begin(.manifest)
                try draft.append(manifest.encoded)
                try draft.finish()
            }
            // As the disk will give it back: the vault is rolled back on the strength of it.
            try self.verify(try self.manifest(in: draft.folder, id), in: draft.folder)
            try self.publish(draft, as: id)
        } catch {
            draft.abandon()
            throw error
        }
        return manifest.tail
    }

    /// - Returns: the digest of what was written.
    private func writeImage(
        of snapshot: Snapshot,
        to draft: inout ArchiveDraft
    ) throws(ArchiveError) -> VaultDigest {
        let pageSize = snapshot.pageSize
        let pagesPerWrite = max(1, (1 << 20) / pageSize.byteCount)
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: pagesPerWrite * pageSize.byteCount,
            alignment: 4_096
        )
        defer { buffer.deallocate() }
        let hasher = PageHasher()
        var digest = VaultDigest.empty
        var written: UInt32 = 0
        while written < snapshot.pageCount {
            let count = Int(min(UInt32(pagesPerWrite), snapshot.pageCount - written))
            for index in 0..<count {
                let page = PageNumber(written + UInt32(index) + 1)
                let start = index * pageSize.byteCount
                let image = UnsafeMutableRawBufferPointer(
                    rebasing: buffer[start..<start + pageSize.byteCount]
                )
                // Nobody ever writes the lock page; in the image it is a page of zeros.
                guard page != pageSize.lockPage else {
                    image.initializeMemory(as: UInt8.self, repeating: 0)
                    continue
                }
                do throws(VaultError) {
                    try snapshot.read(page, into: image)
                } catch {
                    throw .vault(error)
                }
                if page == .first { image[Marker.byteOffset] = Marker.cleared }
                digest.replace(.absent, with: hasher.hash(page, UnsafeRawBufferPointer(image)))
            }
            let block = UnsafeRawBufferPointer(rebasing: buffer[..<(count * pageSize.byteCount)])
            try self.writing(UInt64(block.count)) { () throws(SystemFailure) in
                try draft.append(block)
            }
            written += UInt32(count)
        }
        return digest
    }

    /// A damaged log ends the segments where it is damaged: the image has everything they lead to.
    private func writeSegments(
        of log: SegmentStore,
        _ extent: SegmentStore.Extent,
        to draft: inout ArchiveDraft
    ) throws(ArchiveError) -> ArchiveManifest.Segments {
        let checksum = ArchiveSHA256()
        var cursor = SegmentStore.Cursor(after: extent.after)
        while true {
            let segments: [[UInt8]]
            do throws(SegmentStoreError) {
                segments = try log.segments(after: cursor, maxBytes: 4 << 20)
            } catch {
                guard case .damaged = error else { throw .vault(.log(error)) }
                break
            }
            guard !segments.isEmpty else { break }
            for bytes in segments {
                let header: SegmentHeader
                do throws(SegmentError) {
                    header = try SegmentHeader(decoding: bytes[...])
                } catch {
                    throw .vault(.segment(error))
                }
                cursor.advance(past: header)
                checksum.update(bytes)
                try self.writing(UInt64(bytes.count)) { () throws(SystemFailure) in
                    try draft.append(bytes)
                }
            }
        }
        return ArchiveManifest.Segments(
            after: extent.after,
            through: cursor.txid,
            byteCount: draft.byteCount,
            checksum: checksum.finish()
        )
    }
}

extension SegmentStore {
    /// A part of the log, from a boundary of segments to its end.
    struct Extent: Hashable, Sendable {
        /// The boundary: the segments hold what follows this transaction.
        var after: TXID
        /// Of the segments' own bytes.
        var byteCount: UInt64
    }

    /// What the log holds after `txid`, from the segment on that holds the next transaction.
    ///
    /// - Parameter txid: `nil` for everything.
    /// - Returns: all of the log when it does not reach back to `txid`; `nil` when nothing follows.
    func extent(after txid: TXID?) throws(SegmentStoreError) -> Extent? {
        try self.exclusively { state throws(SegmentStoreError) in
            guard let start = state.start, let newest = state.newest else { return nil }
            let from = max(txid ?? start.txid, start.txid)
            guard from < newest.txid else { return nil }
            var extent: Extent?
            do throws(SegmentStoreError) {
                try state.walk(after: from) { _, record, _ throws(SegmentStoreError) in
                    let header = record.segment
                    guard header.last > from else { return .goOn }
                    guard header.first <= newest.txid else { return .stop }
                    var found =
                        extent ?? Extent(after: TXID(header.first.rawValue - 1), byteCount: 0)
                    found.byteCount += UInt64(header.segmentByteCount)
                    extent = found
                    return .goOn
                }
            } catch {
                guard case .damaged = error else { throw error }
            }
            return extent
        }
    }
}
