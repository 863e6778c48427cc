import Dispatch
import PairCore
import PairNet
import PairStore
import PairWire
import Synchronization

/// A copy of pages under way: what has been asked for and what is still to be sent.
///
/// Each page is sent in any committed version at or after the one the copy began with; the segments
/// sent meanwhile carry every later change, so the secondary is exact when the log's end is reached.
struct PageCopy {
    /// Hashes still to be told, 16 bytes a page from page 1; `nil` for a seed, which asks for none.
    var hashes: [UInt8]?
    var nextHashPage: UInt32 = 1
    /// Runs of hashes that the secondary has not answered.
    var openRuns = 0
    /// The pages that there were when the copy began.
    var pageCount: UInt32 = 0
    /// Pages to send, in order.
    var wanted: [ClosedRange<UInt32>] = []
    var sentBytes: UInt64 = 0
    var totalBytes: UInt64 = 0
    let began = ContinuousClock.now

    var isSent: Bool { self.hashes == nil && self.openRuns == 0 && self.wanted.isEmpty }

    /// Adds a page that the secondary lacks.
    mutating func want(_ page: UInt32, byteCount: Int) {
        if let last = self.wanted.last, last.upperBound == page - 1 {
            self.wanted[self.wanted.count - 1] = last.lowerBound...page
        } else {
            self.wanted.append(page...page)
        }
        self.totalBytes += UInt64(byteCount)
    }

    /// Takes the next pages to read, at most `limit`.
    mutating func next(_ limit: Int) -> [PageNumber] {
        var pages: [PageNumber] = []
        while pages.count < limit, let range = self.wanted.first {
            let count = min(limit - pages.count, range.count)
            let last = range.lowerBound + UInt32(count) - 1
            pages.append(contentsOf: (range.lowerBound...last).map { PageNumber($0) })
            if last == range.upperBound {
                self.wanted.removeFirst()
            } else {
                self.wanted[0] = (last + 1)...range.upperBound
            }
        }
        return pages
    }
}

extension LogSource {
    private static let pagesInRun = 16_384
    private static let sliceByteCount = 4 << 20

    /// Fixes where the copy begins, between two segments, and tells the secondary.
    func beginCopy(_ way: LogMessage.Plan.Way) {
        self.terms.vault.withMark { result in
            guard case .success(let mark) = result else { return self.fail("\(result)") }
            let plan = self.plan(way, at: mark.position, pages: mark.pageCount)
            let begins = self.state.withLock { state in
                guard state.phase != .closed else { return false }
                state.cursor = SegmentStore.Cursor(after: mark.position.txid)
                state.phase = .behind
                var copy = PageCopy()
                copy.pageCount = mark.pageCount
                if way == .delta {
                    copy.hashes = mark.pages.shortHashes
                } else if mark.pageCount > 0 {
                    copy.wanted = [1...mark.pageCount]
                    copy.totalBytes = UInt64(mark.pageCount) * UInt64(self.terms.pageSize.byteCount)
                }
                state.copy = copy
                self.post(.plan(plan))
                return true
            }
            mark.end()
            guard begins else { return self.connection.close() }
            self.report(.planned(plan))
            self.pump()
        }
    }

    /// Takes note of which pages of a run differ on the secondary.
    func takeWish(first: PageNumber, bitmap: [UInt8]) {
        let isExpected = self.state.withLock { state in
            guard var copy = state.copy, copy.openRuns > 0, first.rawValue >= 1,
                bitmap.count <= Self.pagesInRun / 8
            else { return false }
            copy.openRuns -= 1
            for (index, byte) in bitmap.enumerated() where byte != 0 {
                for bit in 0..<8 where byte & 1 << UInt8(bit) != 0 {
                    // The peer's numbers: nothing is added before it is known to fit.
                    let page = UInt64(first.rawValue) + UInt64(index * 8 + bit)
                    guard page < UInt64(copy.nextHashPage), page <= UInt64(copy.pageCount) else {
                        return false
                    }
                    copy.want(UInt32(page), byteCount: self.terms.pageSize.byteCount)
                }
            }
            state.copy = copy
            return true
        }
        guard isExpected else { return self.fail("the peer asked for pages nobody offered") }
        self.pump()
    }

    /// Sends a step of the copy.
    ///
    /// - Returns: `false` when the pump's run has ended: nothing to do, or no credit.
    func pumpCopy() throws -> Bool {
        enum Step {
            case rest, again
            case pages([PageNumber])
            case finished(Position)
            case later(Double)
        }
        let step = self.state.withLock { state -> Step in
            guard var copy = state.copy, state.phase == .level else {
                if state.phase == .behind { return .again }
                state.isPumping = false
                return .rest
            }
            if copy.isSent {
                // Level: what has been sent ends exactly where the log ends, unless a segment has
                // just come that `deliver` is about to send.
                guard state.cursor.isBoundary, let position = self.terms.vault.log.newest,
                    position.txid == state.cursor.txid
                else {
                    state.phase = .behind
                    return .again
                }
                state.copy = nil
                state.isPumping = false
                self.post(.copied(position))
                return .finished(position)
            }
            // Half of the credit is for the live log.
            guard state.window.underWay < state.window.limit / 2 else {
                state.isPumping = false
                return .rest
            }
            if let wait = self.wait(copy) {
                state.isPumping = false
                return .later(wait)
            }
            if let run = Self.nextRun(&copy) {
                let message = LogMessage.hashes(first: run.first, hashes: run.hashes)
                state.window.send(run.hashes.count)
                state.copy = copy
                self.post(message)
                return .again
            }
            let pages = copy.next(max(1, Self.sliceByteCount / self.terms.pageSize.byteCount))
            state.copy = copy
            if pages.isEmpty { state.isPumping = false }
            return pages.isEmpty ? .rest : .pages(pages)
        }
        switch step {
        case .rest: return false
        case .again: return true
        case .finished(let position):
            self.report(.copied(position))
            return false
        case .later(let seconds):
            self.queue.asyncAfter(deadline: .now() + seconds) { self.pump() }
            return false
        case .pages(let pages):
            try self.sendPages(pages)
            return true
        }
    }

    /// How long the rate limit makes the copy wait, in seconds.
    private func wait(_ copy: PageCopy) -> Double? {
        guard let rate = self.terms.copyRate() else { return nil }
        let due = Double(copy.sentBytes) / Double(rate)
        let ahead = due - (ContinuousClock.now - copy.began).inSeconds
        return ahead > 0.01 ? min(ahead, 1) : nil
    }

    private static func nextRun(_ copy: inout PageCopy) -> (first: PageNumber, hashes: [UInt8])? {
        guard let hashes = copy.hashes else { return nil }
        let start = Int(copy.nextHashPage - 1) * 16
        let run = Array(hashes[start..<min(start + Self.pagesInRun * 16, hashes.count)])
        let first = PageNumber(copy.nextHashPage)
        copy.nextHashPage += UInt32(run.count / 16)
        if start + run.count == hashes.count { copy.hashes = nil }
        if run.isEmpty { return nil }
        copy.openRuns += 1
        return (first, run)
    }

    /// Reads pages at a short mark of their own, so that the WAL is never pinned for long, and
    /// sends them in messages of less than 1 MiB.
    private func sendPages(_ pages: [PageNumber]) throws {
        let mark = try self.terms.vault.beginMark(timeout: .seconds(10))
        defer { mark.end() }
        let recordByteCount = 4 + self.terms.pageSize.byteCount
        let inMessage = max(1, (1 << 20) / recordByteCount - 1)
        var done = 0
        while done < pages.count {
            let slice = pages[done..<min(done + inMessage, pages.count)]
            var writer = ByteWriter(reserving: slice.count * recordByteCount)
            // A page past the end was cut off since; a later segment says so.
            for page in slice
            where page.rawValue <= mark.pageCount
                && page != self.terms.pageSize.lockPage
            {
                writer.u32(page.rawValue)
                writer.bytes(try self.image(of: page, at: mark))
            }
            done += slice.count
            let bytes = writer.bytes
            self.state.withLock { state in
                state.window.send(bytes.count)
                state.copy?.sentBytes += UInt64(bytes.count)
                self.terms.shipped(bytes.count)
                self.post(.pages(bytes))
            }
        }
        let (sent, total) = self.state.withLock {
            ($0.copy?.sentBytes ?? 0, $0.copy?.totalBytes ?? 0)
        }
        self.report(.copying(doneBytes: sent, totalBytes: total))
    }

    private func image(of page: PageNumber, at mark: Mark) throws(VaultError) -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: mark.pageSize.byteCount) {
            buffer,
            count throws(VaultError) in
            try mark.read(page, into: UnsafeMutableRawBufferPointer(buffer))
            count = mark.pageSize.byteCount
        }
    }
}
