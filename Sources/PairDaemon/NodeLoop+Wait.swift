import PairCore
import PairStore
import PairWire

// Questions whose answer only the peer can bring, and what is said when it does not come in time.
extension NodeLoop {
    /// Answers when the secondary has what is committed at this moment.
    func wait(_ call: OperatorCall, _ level: ControlCommand.Wait.Level) {
        let shell = self.shell
        let began = shell.now
        let (primary, secondary) = (self.localName, self.peerName)
        let term = shell.figures.term
        let lineage = self.record.lineage
        let limit = call.request.timeoutSeconds.map { call.asked + .seconds($0) }
        self.beside {
            do throws(VaultError) {
                let longest = limit.map { max(.milliseconds(1), $0 - shell.now) } ?? .seconds(10)
                let captured = try shell.vault.captureNow(timeout: min(longest, .seconds(10)))
                let position = lineage.normalized(captured)
                shell.figures.wait(for: position.txid, level, until: limit, in: term) { news in
                    switch news {
                    case .reached:
                        call.finish(
                            .done,
                            "\(secondary) has \(position) \(level.rawValue)",
                            WaitReport(
                                level: level,
                                position: position,
                                primary: primary,
                                secondary: secondary,
                                waited: shell.now - began
                            )
                        )
                    case .absent: call.tell("\(secondary) is not connected; waiting")
                    case .late(let last):
                        let known = last.map { txid in
                            shell.vault.log.position(at: txid).map { "\(lineage.normalized($0))" }
                                ?? "transaction \(txid)"
                        }
                        let isAway = shell.router.source == nil
                        call.finish(
                            .timedOut,
                            "\(secondary) \(isAway ? "is not connected and " : "")has not confirmed "
                                + "\(position) in this time; the last that it has \(level.rawValue): "
                                + "\(known ?? "not known"); type: "
                                + (isAway
                                    ? "on \(secondary): systemctl status paird" : "pairctl status")
                        )
                    case .over: call.finish(.failed, "\(primary) is no longer primary")
                    }
                }
            } catch {
                let isLate = call.isOutOfTime(at: shell.now)
                call.finish(isLate ? .timedOut : .failed, "\(error); type: pairctl status")
            }
        }
    }

    /// Once a tick: tells those who have waited as long as they wanted for the peer's word.
    func answerLateQuestions() {
        let now = self.shell.now
        self.shell.figures.lookAfterWaits(
            at: now,
            isConnected: self.shell.router.source != nil
        )
        if let verification, verification.call.isOutOfTime(at: now) {
            self.verification = nil
            verification.call.finish(
                .timedOut,
                "not verified: \(self.peerName) has not answered in this time; type: pairctl status"
            )
        }
        // The primary has its own clock for this; a moment later it is the primary that is silent.
        let late = self.forwards.filter { $0.value.isOutOfTime(at: now, grace: .seconds(1)) }
        for (id, call) in late {
            self.forwards[id] = nil
            call.finish(
                .timedOut,
                "\(self.peerName), the primary, has not answered in this time; type: pairctl status"
            )
        }
    }
}
