import Dispatch
import Logging
import PairCore
import PairStore

// The gate: what the machine asks of it, and what becomes of that while the vault is away.
extension NodeLoop {
    /// Lets applications write: marker off, capture on, layer 1 released; in that order.
    func openGate(under epoch: Epoch) throws {
        self.gateToken += 1
        guard !self.isResuming else { return }
        let vault = self.shell.vault
        if self.captureEpoch != epoch { try self.recapture(under: epoch) }
        try vault.openGate()
        self.noteGateOpened()
    }

    /// Asks for layer 1, waiting for the transaction that holds it; answered by `gateTaken`.
    func closeGate() {
        self.noteGateClosing()
        self.gateToken += 1
        let token = self.gateToken
        let shell = self.shell
        if self.isResuming {
            // Once the vault is back the gate is closed as for a vault that had never been away.
            if case .waiting = self.vault { self.attach(self.presentMode) }
            return
        }
        switch self.vault {
        case .untouched, .waiting:
            guard self.mayHoldVault else {
                return shell.post(.gateTaken(token: token, .success(nil)))
            }
            self.isJoining = true
            self.attach(.closed(marked: true))
        case .attaching: self.isJoining = true
        case .attached where self.record.role == .none && !shell.vault.isGateClosed:
            // What was read is not what the gate will close over.
            self.isJoining = true
            self.attach(.closed(marked: true))
        case .attached:
            let isCapturing = self.captureEpoch != nil
            shell.gateQueue.async {
                do throws(VaultError) {
                    try shell.vault.closeGate(timeout: .seconds(3600))
                    let position =
                        isCapturing ? try shell.vault.captureNow(timeout: .seconds(60)) : nil
                    shell.post(.gateTaken(token: token, .success(position)))
                } catch {
                    shell.post(.gateTaken(token: token, .failure(error)))
                }
            }
        }
    }

    func gateTaken(_ token: UInt64, _ result: Result<Position?, VaultError>) {
        guard token == self.gateToken else {
            // The demand was withdrawn while it waited.
            switch self.failover?.gate {
            case .open, .unmanaged:
                do {
                    try self.shell.vault.openGate()
                } catch {
                    self.shell.report(error, during: .gate, level: .critical)
                }
            case .closing, .closed, nil: break
            }
            return
        }
        switch result {
        case .success(let position):
            let here = position ?? self.restPosition
            self.tell(
                .gateClosed(here.map { self.normalized($0) } ?? self.failover?.position ?? .start)
            )
            self.lookForOtherVault()
        case .failure(let error):
            self.shell.report(error, during: .gate, level: .critical)
            // Capture had to stop: that is news of its own, after which the gate is closed again.
            guard self.shell.vault.captureFailure == nil else { return }
            self.tell(.storageFailed)
        }
    }

    /// Sets or clears layer 2; layer 1 is ours.
    func setMarker(_ isSet: Bool) throws {
        guard self.isMarked != isSet else { return }
        switch self.vault {
        case .untouched: return
        case .attached: break
        case .attaching, .waiting:
            guard isSet else { return self.isMarked = false }
            // The record that says so must not be durable before the marker is, if there is anything
            // of ours to mark.
            guard !self.lacksVault, !self.isVaultMissing else { return }
            throw VaultError.notRunning("custody")
        }
        _ = try self.comeToRest()
        try self.shell.vault.setMarker(isSet)
        self.isMarked = isSet
    }

    /// This node serves its vault, or would, and has to attach it anew: what the machine asks of the
    /// gate meanwhile is done when the vault is back.
    var isResuming: Bool {
        guard self.failover != nil, !self.isSurveying, !self.isJoining,
            self.record.role == .primary || self.record.role == .standalone
        else { return false }
        return switch self.vault {
        case .attaching, .waiting: true
        case .untouched, .attached: false
        }
    }

    /// How to attach a vault whose gate is to be as it is.
    var presentMode: Vault.AttachMode {
        self.failover?.gate == .open ? .open : .closed(marked: self.isMarked)
    }
}
