import Logging
import PairCore
import PairNet
import PairStore
import PairWire

/// What the log connection is for, as the machine wants it.
struct LogStanding {
    enum Wish: Equatable {
        case nothing
        /// Apply what the primary sends.
        case follow
        /// Take a copy; half of one is no vault.
        case copy
        /// Take the primary's content in one transaction, in place of a divergent tail.
        case undo
        /// Bring an archive to the peer's disk.
        case archive(String)
    }

    /// The epoch that is served here, as primary.
    var served: Epoch?
    var wish = Wish.nothing
    /// The epoch whose primary the wish is for.
    var epoch = Epoch.none
    /// Which end of the log is the present one; reports of earlier ones are of no interest.
    var end: LogEndID?
    private var endCount: UInt64 = 0
    var isStreaming = false
    /// The primary has said how the present connection goes on.
    var isPlanned = false
    /// Since when that has been awaited.
    var askedAt: Instant?
    /// After a failure: whatever made it fail is given a little time.
    var notBefore: Instant?
    /// Why the log does not flow, as last told.
    var trouble: String?

    /// A name that no end has had before.
    mutating func nextEnd() -> LogEndID {
        self.endCount += 1
        return LogEndID(number: self.endCount)
    }
}

/// Names one end of the log, so that a late report of an earlier one is recognised.
struct LogEndID: Hashable, Sendable {
    fileprivate let number: UInt64
}

// The two ends of the log connection, and what they report.
extension NodeLoop {
    // MARK: As primary

    func serveLog(under epoch: Epoch) throws {
        if self.captureEpoch != nil, self.captureEpoch != epoch { try self.recapture(under: epoch) }
        if self.log.served != epoch { self.endLog() }
        self.log.served = epoch
        self.log.wish = .nothing
        self.startSource()
    }

    /// Serves whoever is connected.
    func startSource() {
        guard let epoch = self.log.served, self.captureEpoch == epoch,
            let connection = self.logLink, let pageSize = self.shell.vault.pageSize,
            self.shell.router.source == nil
        else { return }
        let shell = self.shell
        let id = self.log.nextEnd()
        let source = LogSource(
            terms: LogSource.Terms(
                vault: shell.vault,
                epoch: epoch,
                pageSize: pageSize,
                copyRate: { shell.configuration.maxRate },
                shipped: { shell.metrics.count(.shippedBytes, by: UInt64($0)) },
                archives: shell.archives
            ),
            connection: connection,
            report: { report in
                switch report {
                case .progress(let progress):
                    if shell.figures.take(progress), !shell.offer(.progressed) {
                        // The next word of the secondary tells again.
                        _ = shell.figures.takeProgress()
                    }
                case .copying(let done, let total):
                    shell.figures.update {
                        $0.copy?.doneBytes = done
                        $0.copy?.totalBytes = total
                    }
                case .planned(let plan):
                    // Before the first word of the new copy can come.
                    shell.fallBack(before: plan)
                    shell.post(.source(id, report))
                case .copied, .markHashes, .markResult, .archived, .failed:
                    shell.post(.source(id, report))
                }
            }
        )
        self.log.end = id
        shell.router.become(.source(source), on: connection)
    }

    /// What the secondary has acknowledged, as the machine needs it.
    func takeProgress() {
        let values = self.shell.figures.takeProgress()
        guard case .primary = self.record.role, let applied = values.progress?.applied else {
            return
        }
        self.markHeard()
        guard self.shell.vault.log.position(at: applied.txid)?.digest == applied.digest else {
            // Not a word of it is believed; the periodic comparison says how it stands.
            return
        }
        let isInSync = values.applied.byteCount < 1 << 20
        self.tell(.peerApplied(self.normalized(applied), inSync: isInSync))
    }

    func locate(_ inquiry: RejoinInquiry) {
        self.dropKeptLog(ifAt: inquiry.joiner)
        let log = self.shell.vault.log
        func holds(_ position: Position?) -> Bool {
            guard let position else { return false }
            if log.position(at: position.txid)?.digest == position.digest { return true }
            // This vault was taken back to the fork: what it went through before is not in it any more.
            if let fork = inquiry.fork, position.txid > fork.txid { return false }
            if log.passed(position) { return true }
            // Too old for the log, but remembered as the last that the peer had of this history.
            guard log.start.map({ position.txid < $0.txid }) ?? false else { return false }
            let remembered = self.record.peerAcknowledged
            return remembered?.txid == position.txid && remembered?.digest == position.digest
        }
        let finding = RejoinFinding(
            holdsJoinerPosition: holds(inquiry.joiner),
            logIsKept: inquiry.joiner.map { log.contains(after: $0.txid) } ?? false,
            holdsFork: holds(inquiry.fork)
        )
        self.shell.post(.located(inquiry, finding))
    }

    func take(_ report: LogSource.Report, from id: LogEndID) {
        guard id == self.log.end else { return }
        self.markHeard()
        switch report {
        case .planned(let plan): self.noteCopy(plan)
        case .progress, .copying: break
        case .copied(let position):
            self.shell.figures.update { $0.copy = nil }
            if self.damage != .own { self.damage = nil }
            self.shell.log.emit(.seedDone, "the secondary's copy is whole", ["at": "\(position)"])
        case .markHashes(let mark, let first, let hashes): self.takeHashes(mark, first, hashes)
        case .markResult(let result): self.takeResult(result)
        case .archived(let tail): self.keepPeersArchive(tail)
        case .failed(let reason):
            self.shell.figures.update { $0.copy = nil }
            self.log.trouble = reason
            self.shell.log.emit(.replLost, level: .warning, reason)
        }
    }

    // MARK: As secondary

    /// Takes note of what the machine wants of the log, and begins when it can.
    func want(_ wish: LogStanding.Wish, of epoch: Epoch) {
        let isSame =
            self.log.wish == wish && self.log.epoch == epoch && self.shell.router.sink != nil
        self.log.served = nil
        self.log.wish = wish
        self.log.epoch = epoch
        self.log.notBefore = nil
        guard !isSame else { return }
        self.endLog()
        self.startSink()
    }

    /// Whatever could not begin yet is tried with every tick.
    func retryLog() {
        self.startSource()
        self.startSink()
        self.lookForAnswer()
    }

    /// Asks anew when the primary, which is connected, has long left this node without an answer.
    ///
    /// Whatever was lost between the two, they must not wait for each other for ever.
    private func lookForAnswer() {
        let now = self.shell.now
        guard self.awaitsPlan else { return self.log.askedAt = nil }
        guard let since = self.log.askedAt else { return self.log.askedAt = now }
        guard now - since >= Self.longestAnswer else { return }
        self.log.askedAt = nil
        let reason =
            "\(self.peerName) has not said for \(Self.longestAnswer.components.seconds) s how its log goes "
            + "on; it is asked anew"
        self.log.trouble = reason
        self.shell.log.emit(.replLost, level: .warning, reason)
        if self.shell.router.sink != nil {
            self.logLink?.close()
        } else {
            // It could not even be asked: the primary must say how to go on.
            self.tell(.logLost)
        }
    }

    private static let longestAnswer = Duration.seconds(15)

    private var awaitsPlan: Bool {
        guard self.logLink != nil, !self.log.isPlanned, !self.isSurveying else { return false }
        return switch self.log.wish {
        case .nothing, .archive: false
        case .follow, .undo: true
        case .copy: !self.wouldGiveUpUnknownVault
        }
    }

    func startSink() {
        guard self.log.wish != .nothing, self.shell.now >= self.log.notBefore ?? self.startedAt,
            let connection = self.logLink, !self.isSurveying,
            self.shell.router.sink == nil, let request = self.logRequest
        else { return }
        guard self.mayTakeCopy else { return }
        guard !self.wouldGiveUpUnknownVault else {
            self.log.trouble =
                "this node holds a vault of its own that nobody has archived; move "
                + "\(self.shell.configuration.vaultPath) away, or restart paird"
            return
        }
        let shell = self.shell
        let id = self.log.nextEnd()
        let sink = LogSink(
            vault: shell.vault,
            archives: shell.archives,
            connection: connection,
            epoch: self.log.epoch,
            report: { report in
                switch report {
                case .applied(let position, let transactions):
                    shell.figures.update { $0.position = position }
                    shell.metrics.count(.appliedTransactions, by: transactions)
                case .tick(let position):
                    let now = shell.now
                    shell.figures.update {
                        $0.primaryPosition = position
                        $0.lastHeard = now
                    }
                case .copying(let done, let total):
                    shell.figures.update {
                        $0.copy?.doneBytes = done
                        $0.copy?.totalBytes = total
                    }
                case .planned, .copied, .archived, .readAnew, .failed: shell.post(.sink(id, report))
                }
            }
        )
        self.log.end = id
        self.log.isStreaming = false
        shell.router.become(.sink(sink), on: connection)
        sink.begin(request)
        if case .archive(let tail) = self.log.wish { sink.sendArchive(tail) }
    }

    /// A copy goes over a vault only when that is in custody, or over none: whatever has come to lie at
    /// the path is looked at first.
    private var mayTakeCopy: Bool {
        guard self.log.wish == .copy else { return true }
        switch self.vault {
        case .attached: return true
        case .attaching, .waiting: return false
        case .untouched:
            guard !self.isVaultMissing, self.mayHoldVault else { return true }
            self.surveyAgain()
            return false
        }
    }

    /// The last guard before a copy: a vault that was never part of the pair's history, and is in no
    /// archive, is not replaced, whatever has been decided.
    private var wouldGiveUpUnknownVault: Bool {
        guard self.log.wish == .copy, self.record.lineage.entries.isEmpty,
            !self.tails.contains(where: { $0.node == self.record.peer?.bit }), !self.hasCopy
        else { return false }
        return self.mayHoldVault
    }

    /// The vault is a copy that was put in its place, and this node stopped before it had taken note.
    private var hasCopy: Bool {
        self.record.isSeeding && self.position != nil
            && self.shell.vault.attachment?.wasMarked == true
    }

    private var logRequest: LogMessage.Request? {
        switch self.log.wish {
        case .nothing: return nil
        case .archive: return LogMessage.Request(wish: .nothing, content: self.content)
        case .copy, .undo: return LogMessage.Request(wish: .copy, content: self.content)
        case .follow:
            guard let position = self.position else { return nil }
            return LogMessage.Request(wish: .stream(after: position), content: self.content)
        }
    }

    func take(_ report: LogSink.Report, from id: LogEndID) {
        guard id == self.log.end else { return }
        self.markHeard()
        switch report {
        case .planned(let plan):
            self.log.trouble = nil
            self.log.isPlanned = true
            self.log.isStreaming = if case .stream = plan.way { true } else { false }
            self.noteCopy(plan)
            if self.log.isStreaming { self.tell(.logResumed) }
        case .copied(let position): self.finishCopy(position)
        case .archived(let tail):
            self.leaveLog()
            self.tell(.tailCopied(tail))
        case .failed(let reason, let isContentUnknown):
            let wasCopying = self.shell.figures.values.copy != nil
            self.shell.figures.update { $0.copy = nil }
            self.log.trouble = reason
            self.log.notBefore = self.shell.now + min(.seconds(1), self.shell.timers.connectionLoss)
            self.shell.log.emit(wasCopying ? .seedFailed : .replLost, level: .warning, reason)
            if isContentUnknown {
                self.surveyAgain()
            } else if self.log.wish == .follow {
                // Another connection would end like this one: the primary must say how to go on.
                self.tell(.logLost)
            }
        case .readAnew(let isSound): self.damage = isSound ? nil : .own
        case .applied, .copying, .tick: break
        }
    }

    /// The copy is not what was recorded, or an effect on it failed: reads it anew, and lets the
    /// primary decide from what is found.
    func surveyAgain() {
        switch self.vault {
        case .attached: break
        // A copy was put in its place, and could not be attached.
        case .untouched where self.mayHoldVault: break
        case .untouched, .attaching, .waiting: return
        }
        self.endLog()
        self.restPosition = nil
        self.isSurveying = true
        self.attach(.closed(marked: true))
    }

    /// Takes note that the copy is in place.
    ///
    /// The connection ends here, so that the position stands still until the
    /// machine has said how it goes on.
    private func finishCopy(_ position: Position) {
        let wish = self.log.wish
        self.shell.figures.update { $0.copy = nil }
        self.damage = nil
        self.shell.log.emit(.seedDone, "the copy is whole and verified", ["at": "\(position)"])
        let epoch = self.log.epoch
        self.leaveLog()
        self.restPosition = self.shell.vault.stopApplying() ?? position
        self.isMarked = true
        if let attachment = self.shell.vault.attachment { self.vault = .attached(attachment) }
        // Named by the primary's lineage, which the machine adopts with this event.
        let named = (self.failover?.primaryLineage ?? self.record.lineage).normalized(position)
        switch wish {
        case .undo: self.tell(.rolledBack(named))
        case .copy: self.tell(.copied(named, of: epoch))
        case .nothing, .follow, .archive: break
        }
    }

    // MARK: Both

    func stopLog() {
        self.log.served = nil
        self.leaveLog()
    }

    /// Ends the connection's use; what is on its way is of no use to what comes next.
    func leaveLog() {
        self.log.wish = .nothing
        self.endLog()
        self.logLink?.close()
        self.logLink = nil
    }

    func endLog() {
        self.shell.router.clear()
        self.log.end = nil
        self.log.isStreaming = false
        self.log.isPlanned = false
        self.log.askedAt = nil
        self.shell.figures.update {
            $0.copy = nil
            $0.progress = nil
        }
        self.failVerification("the log connection has ended")
    }

    private func noteCopy(_ plan: LogMessage.Plan) {
        self.log.trouble = nil
        let now = self.shell.now
        switch plan.way {
        case .delta, .seed:
            let total = UInt64(plan.pageCount) * UInt64(plan.pageSize.byteCount)
            self.shell.figures.update {
                $0.copy = LiveFigures.Values.Copy(
                    isSeed: plan.way == .seed,
                    doneBytes: 0,
                    totalBytes: plan.way == .seed ? total : 0,
                    began: now
                )
            }
            self.shell.log.emit(
                plan.way == .seed ? .seedStart : .replRecovered,
                plan.way == .seed ? "a whole copy begins" : "only differing pages are copied",
                ["pages": "\(plan.pageCount)", "at": "\(plan.position)"]
            )
            self.rememberFollower()
        case .stream(let position):
            self.shell.log.emit(.replRecovered, "the log is followed", ["after": "\(position)"])
        case .refuse(let reason): self.log.trouble = reason
        }
    }
}
