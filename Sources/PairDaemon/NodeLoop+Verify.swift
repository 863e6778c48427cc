import Dispatch
import Logging
import PairCore
import PairStore
import PairWire

/// A verify under way on the primary.
struct Verification {
    var id: UInt64
    var call: OperatorCall
    var full: Bool
    var position: Position
    /// The primary's pages as read anew.
    var ownScan: PageMap?
    /// The secondary's hashes, 16 bytes a page.
    var peerHashes: [UInt8] = []
    var peerResult: LogMessage.MarkResult?
}

/// How the last verify ended.
struct VerificationOutcome {
    var at: WallTime
    var differences: UInt64
}

/// Where a verify has found something other than what was committed.
enum CopyDamage: Hashable, Sendable {
    /// On this node's disk.
    case own
    /// On the peer's.
    case peers
    /// On both, or it cannot be told.
    case unclear
    /// The copies are the same, and SQLite finds fault with what applications have made of them.
    case common
}

// Both nodes read their copies at the same place in the stream, while it goes on.
extension NodeLoop {
    func verify(_ call: OperatorCall, full: Bool) {
        guard self.verification == nil else {
            return call.finish(.refused, "a verify is under way already; try again when it is done")
        }
        guard let source = self.shell.router.source else {
            return call.finish(
                .unavailable,
                "\(self.peerName) is not connected; there is nothing to compare with; "
                    + "type: pairctl status"
            )
        }
        let id = self.nextID
        self.nextID += 1
        self.verification = Verification(id: id, call: call, full: full, position: .start)
        let shell = self.shell
        source.mark(id: id, full: full) { result in
            shell.scanQueue.async {
                do throws(VaultError) {
                    let mark = try result.get()
                    defer { mark.end() }
                    shell.post(.scanned(id: id, .success(full ? try mark.scan() : mark.pages)))
                } catch {
                    shell.post(.scanned(id: id, .failure(error)))
                }
            }
        }
    }

    func takeScan(_ id: UInt64, _ result: Result<PageMap, VaultError>) {
        guard self.verification?.id == id else { return }
        switch result {
        case .success(let map):
            self.verification?.ownScan = map
            self.finishVerification()
        case .failure(let error): self.failVerification("\(error)")
        }
    }

    func takeHashes(_ id: UInt64, _ first: PageNumber, _ hashes: [UInt8]) {
        guard let verification, verification.id == id,
            Int(first.rawValue - 1) * 16 == verification.peerHashes.count,
            verification.peerHashes.count + hashes.count <= 16 << 30
        else { return }
        self.verification?.peerHashes.append(contentsOf: hashes)
    }

    func takeResult(_ result: LogMessage.MarkResult) {
        guard self.verification?.id == result.id else { return }
        self.verification?.peerResult = result
        self.verification?.position = result.position
        self.finishVerification()
    }

    func failVerification(_ reason: String) {
        guard let verification else { return }
        self.verification = nil
        verification.call.finish(.unavailable, "not verified: \(reason); type: pairctl status")
    }

    private func finishVerification() {
        guard let verification, let own = verification.ownScan,
            let peer = verification.peerResult
        else { return }
        self.verification = nil
        let different = verification.full ? self.differences(own, verification.peerHashes) : []
        let peerDigest = verification.full ? peer.scanned : peer.position.digest
        let isSound = peer.integrity == nil || peer.integrity == "ok"
        let position = self.normalized(peer.position)
        let isEqual = different.isEmpty && peerDigest == own.digest && isSound
        let at = WallTime(secondsSince1970: WallClock.seconds)
        self.shell.view.show(verifiedAt: WallClock.seconds)
        // Equal digests say nothing of what was found different on the disks.
        let isStronger = verification.full || !isEqual
        let isSame = different.isEmpty && peerDigest == own.digest
        if isStronger {
            self.damage = isEqual ? nil : isSame ? .common : self.damage(own, peer)
        }
        if isStronger || self.lastVerification?.differences ?? 0 == 0 {
            self.lastVerification = VerificationOutcome(
                at: at,
                differences: isEqual ? 0 : UInt64(max(1, different.count))
            )
        }
        let report = VerifyReport(
            at: at,
            full: verification.full,
            primary: self.localName,
            secondary: self.peerName,
            position: position,
            equal: isEqual,
            comparedPages: UInt64(own.pageCount),
            differentPages: Array(different.prefix(1000)),
            integrityCheck: peer.integrity
        )
        if isEqual {
            self.shell.log.emit(.vaultVerified, "", ["at": "\(position)"])
            verification.call.finish(.done, "", report)
        } else {
            self.shell.metrics.count(.verifyFailures)
            self.shell.log.emit(
                .vaultVerifyFailed,
                level: .error,
                peer.integrity ?? "",
                ["at": "\(position)", "pages": "\(different.count)"]
            )
            let advice = self.advice(on: self.damage ?? .unclear)
            let pages = StatusText.counted(UInt64(different.count), "page")
            let finding = isSame ? "" : "the copies differ at \(position), by \(pages): "
            verification.call.finish(
                .failed,
                "\(finding)\(advice.reason); type: \(advice.next ?? "pairctl status")",
                report
            )
        }
    }

    /// On whose disk it is: both nodes keep the digest of what was committed along with each commit.
    private func damage(_ own: PageMap, _ peer: LogMessage.MarkResult) -> CopyDamage {
        let committed = peer.position.digest
        return switch (own.digest == committed, peer.scanned == committed) {
        case (true, false): .peers
        case (false, true): .own
        default: .unclear
        }
    }

    /// What an operator is told of it, on either node and in either role.
    func advice(on damage: CopyDamage) -> PairFacts.Reservation {
        let path = self.shell.configuration.vaultPath
        switch damage {
        case .own, .peers:
            let node = damage == .own ? self.localName : self.peerName
            // It gives the damaged pages up for its primary's, once it reads its copy anew.
            let restart =
                "on \(node): systemctl restart paird, which archives that copy and mends it; then "
                + "pairctl verify --full"
            let isServing = (damage == .own) == (self.record.role == .primary)
            return .init(
                "what the disk of \(node) holds is not what was committed",
                next: isServing ? "pairctl switchover; then \(restart)" : restart
            )
        case .unclear:
            return .init(
                "the last verify found a difference",
                next: "pairctl verify --full; on both nodes: sqlite3 \(path) "
                    + "'PRAGMA integrity_check'"
            )
        case .common:
            return .init(
                "both copies are the same, and SQLite finds damage in them",
                next: "sqlite3 \(path) 'PRAGMA integrity_check'; then REINDEX or a backup, and "
                    + "pairctl verify --full"
            )
        }
    }

    private func differences(_ own: PageMap, _ peer: [UInt8]) -> [UInt32] {
        let mine = own.shortHashes
        var pages: [UInt32] = []
        for page in 0..<max(mine.count, peer.count) / 16 {
            let range = page * 16..<page * 16 + 16
            guard range.upperBound <= mine.count, range.upperBound <= peer.count,
                mine[range] == peer[range]
            else {
                pages.append(UInt32(page + 1))
                continue
            }
        }
        return pages
    }
}
