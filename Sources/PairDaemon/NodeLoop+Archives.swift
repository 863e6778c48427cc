import Logging
import PairCore
import PairNet
import PairStore
import PairWire

// Tails: what the losing side of a divergence held, sealed before it is rolled back.
extension NodeLoop {
    func sealTail(after fork: Position?) {
        let shell = self.shell
        let record = self.record
        guard let bit = record.peer?.bit else { return }
        do {
            // A copy that was followed until now is still open to more of the same.
            _ = try self.comeToRest()
        } catch {
            self.sealRetry = self.shell.now + .seconds(5)
            return shell.log.emit(.storageError, level: .error, "\(error)")
        }
        let end =
            self.restPosition
            ?? Position(
                epoch: record.epoch,
                txid: .zero,
                digest: self.attachment?.scannedDigest ?? .empty
            )
        let named = self.normalized(end)
        self.beside {
            do throws(ArchiveError) {
                let tail = try shell.archives.seal(
                    shell.vault,
                    node: bit,
                    nodeName: record.identity.name,
                    after: fork,
                    to: named,
                    lineage: record.lineage,
                    wallSeconds: WallClock.seconds
                )
                shell.post(.tailSealed(.success(tail)))
            } catch {
                shell.post(.tailSealed(.failure(error)))
            }
        }
    }

    func takeSealed(_ result: Result<NodeRecord.Tail, ArchiveError>) {
        switch result {
        case .success(let tail):
            self.log.trouble = nil
            self.shell.log.emit(
                .divergenceArchived,
                level: .notice,
                "what only this node held is sealed; pairctl tail list shows it",
                ["archive": tail.id, "transactions": "\(tail.transactions)"]
            )
            self.refreshTails()
            self.tell(.tailSealed(tail))
        case .failure(let error):
            // Nothing is rolled back before the archive is whole; it is tried again.
            self.log.trouble = "\(error)"
            self.sealRetry = self.shell.now + .seconds(5)
            self.shell.report(error, during: .archive)
        }
    }

    /// The peer's archive is on this disk too: it stays in both nodes' records until disposed of.
    func keepPeersArchive(_ tail: NodeRecord.Tail) {
        self.shell.log.emit(
            .divergenceArchived,
            level: .notice,
            "the peer's archive is kept here too",
            ["archive": tail.id, "transactions": "\(tail.transactions)"]
        )
        self.refreshTails()
    }

    /// Reads anew which archives are on this node's disk.
    func refreshTails() {
        do {
            self.keptLogs = self.shell.vault.keptLogs
            self.tails = try self.shell.archives.list()
            self.shell.view.show(tailCount: self.tails.count)
            self.noteLosses()
        } catch {
            self.shell.report(error, during: .archive)
        }
    }

    func listTails(_ call: OperatorCall) {
        call.finish(.done, "", TailList(tails: self.tailReports))
    }

    var tailReports: [StatusReport.Tail] {
        self.tails.map { StatusReport.Tail($0, nodeName: self.nodeName($0.node)) }
    }
}
