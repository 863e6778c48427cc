import Glibc
package import PairCore
import PairWAL

extension SegmentStore {
    /// Forgets what follows `txid`: the log then ends there, or at the boundary before.
    ///
    /// Durable when it returns, so that what was forgotten cannot come back beside a new history.
    package func truncate(after txid: TXID) throws(SegmentStoreError) {
        try self.exclusively { state throws(SegmentStoreError) in
            do throws(SystemFailure) {
                try self.dropOpenParts(&state)
            } catch {
                throw SegmentStoreError(error)
            }
            do throws(SystemFailure) {
                try self.forgetPassed(after: txid, &state)
            } catch {
                throw SegmentStoreError(error)
            }
            guard let newest = state.newest, txid < newest.txid, !state.files.isEmpty else {
                return
            }
            let index = state.files.lastIndex { ($0.first ?? TXID(.max)) <= txid } ?? 0
            var kept = state.files[index].before
            var offset = 0
            try Self.walk(state.files[index], from: 0) { _, record, _ throws(SegmentStoreError) in
                guard record.segment.last <= txid else { return .stop }
                if let position = record.segment.position {
                    kept = position
                    offset = record.end
                }
                return .goOn
            }
            do throws(SystemFailure) {
                try self.cut(in: index, at: offset, keeping: kept, &state)
            } catch {
                throw SegmentStoreError(error)
            }
        }
    }

    /// Gives the files of the log second names in `folder`, which is there and empty: what they hold
    /// outlives this log.
    ///
    /// Durable when it returns.
    func keep(in folder: String) throws(SegmentStoreError) {
        try self.exclusively { state throws(SegmentStoreError) in
            do throws(SystemFailure) {
                try self.sync(&state)
                for path in state.files.map(\.path) + [self.directory + "/start"] {
                    let name = path.split(separator: "/").last.map(String.init) ?? "log"
                    guard link(path, folder + "/" + name) == 0 || errno == ENOENT else {
                        throw SystemFailure("link", path)
                    }
                }
                try DurableFile.syncFolder(of: folder + "/.")
            } catch {
                throw SegmentStoreError(error)
            }
        }
    }

    /// Begins a new log that knows nothing of what was before `position`.
    ///
    /// Durable when it returns; a crash leaves the old log or the new, empty one.
    ///
    /// - Parameter goesOn: the vault went through the old log's last positions, though nothing proves
    ///   what came after them: they are still known to ``passed(_:)``.
    package func restart(at position: Position, goesOn: Bool = false) throws(SegmentStoreError) {
        try self.exclusively { state throws(SegmentStoreError) in
            let passed = goesOn ? try self.passedPositions(&state, until: position) : []
            do throws(SystemFailure) {
                do throws(SystemFailure) {
                    try self.writePassed(passed)
                } catch {
                    // Removing the old log may be what makes room again; what the file still says is true
                    // of a vault that goes on.
                    guard goesOn else { throw error }
                }
                try self.writeStart(position, firstNumber: state.nextNumber)
                let old = state.files
                state.closeNewest()
                state = State(start: position, newest: position, nextNumber: state.nextNumber)
                state.passed = passed
                for file in old { try Self.remove(file.number, in: self.directory) }
            } catch {
                throw SegmentStoreError(error)
            }
        }
    }

    /// Drops the oldest files, as far as retention and the space on the disk ask for it.
    ///
    /// The log takes at most its configured size, and at most half of what it and the free space
    /// are together; files whose newest record is older than the retention go too. The newest file
    /// always stays.
    package func trim() throws(SegmentStoreError) {
        try self.exclusively { state throws(SegmentStoreError) in
            do throws(SystemFailure) {
                try self.trim(&state)
            } catch {
                throw SegmentStoreError(error)
            }
        }
    }

    private func trim(_ state: inout State) throws(SystemFailure) {
        var space = statvfs()
        guard statvfs(self.directory, &space) == 0 else {
            throw SystemFailure("statvfs", self.directory)
        }
        var size = state.files.reduce(0) { $0 + $1.byteCount }
        let (free, overflow) = Int(clamping: space.f_bavail).multipliedReportingOverflow(
            by: Int(clamping: space.f_frsize)
        )
        let half = overflow ? Int.max : size / 2 + free / 2
        let limit = min(self.retentionByteCount, half)
        let oldest = Self.now() - self.retentionAge
        var count = 0
        while count < state.files.count - 1 {
            guard size > limit || state.files[count].lastAppended < oldest else { break }
            size -= state.files[count].byteCount
            count += 1
        }
        guard count > 0 else { return }
        // First what counts from now on, then the removal: a crash in between removes them later.
        let first = state.files[count]
        try self.writeStart(first.before, firstNumber: first.number)
        state.start = first.before
        let dropped = state.files.prefix(count)
        state.files.removeFirst(count)
        for file in dropped { try Self.remove(file.number, in: self.directory) }
    }

    /// Ends the log at `offset` of file `index`.
    private func cut(
        in index: Int,
        at offset: Int,
        keeping kept: Position,
        _ state: inout State
    ) throws(SystemFailure) {
        state.closeNewest()
        // Newest first, so that a crash leaves a log without a hole.
        while state.files.count > index + 1, let file = state.files.popLast() {
            state.newest = file.before
            try Self.remove(file.number, in: self.directory)
        }
        try state.openNewest()
        let path = state.files[index].path
        guard ftruncate(state.descriptor, off_t(offset)) == 0 else {
            throw SystemFailure("ftruncate", path)
        }
        state.files[index].truncate(at: offset)
        state.newest = kept
        state.hasUnsyncedName = true
        try self.sync(&state)
    }
}
