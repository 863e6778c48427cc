import PairCore
import PairStore
import PairWire

// Why a verb is not carried out, or not yet, and what it would do: in the operator's words.
extension NodeLoop {
    // MARK: What takes another word of the operator

    /// Why a verb needs another word of the operator first; data is never given up silently.
    func objection(to call: OperatorCall) -> (ControlExit, String)? {
        switch call.request.command {
        case .enableHA(let parameters): return self.objection(toEnabling: parameters)
        case .disableHA(let parameters)
        where parameters.force && parameters.confirm != self.peerName:
            return (
                .needsConfirmation,
                "--force vouches that \(self.peerName) is down; say so with --confirm "
                    + self.peerName
            )
        case .promote(let parameters)
        where parameters.force && self.record.isInPair && !self.servesOrFollows:
            let missing = self.missing(parameters)
            guard missing.isEmpty else {
                return (.needsConfirmation, self.promotionWarning(missing: missing))
            }
            return nil
        case .initialize(let parameters): return self.objection(toServingAlone: parameters)
        case .promote where self.record.role == .secondary && self.peerHasFailed:
            guard case .promote(let parameters) = call.request.command, !parameters.force else {
                return nil
            }
            return (.needsConfirmation, self.promotionWarning(missing: []))
        case .suspend(let parameters):
            let longest = FailoverTiming.longestSuspension
            guard parameters.seconds >= 1, parameters.seconds <= longest.inSeconds else {
                return (
                    .usage,
                    "--for: from 1s to \(Measure.text(longest)) "
                        + "(\(StatusText.time(longest.inSeconds))); nothing has changed"
                )
            }
            return nil
        default: return nil
        }
    }

    /// Nothing to force: this node serves, or the primary that it follows is there and can hand over.
    var servesOrFollows: Bool {
        switch self.record.role {
        case .primary: self.shell.view.facts.gate == .open
        case .secondary:
            self.failover?.peerIsReachable == true && self.peerRole == .primary
                && self.state == .streaming && !self.peerHasFailed
                && self.failover?.peerHasLostVault != true
        case .standalone, .none: false
        }
    }

    /// Why the vault here cannot be served as the verb demands, where no waiting cures it.
    func vaultRefusal(for call: OperatorCall) -> String? {
        let path = self.shell.configuration.vaultPath
        let then: String
        if case .enableHA = call.request.command {
            then = "pairctl enable-ha"
        } else {
            then = "pairctl init --standalone"
        }
        let obstacle = Vault.obstacle(path: path)
        switch obstacle {
        case .missing, .empty:
            if case .enableHA = call.request.command, case .withTables = self.presence?.content {
                // The peer has one: the operator is sent there.
                return nil
            }
            return "there is no vault at \(path); the application creates it, in WAL mode; then: "
                + then
        case .notADatabase, .notInWALMode, .networkFileSystem, .unsupportedPageSize:
            return obstacle.map { "\($0); then: \(then)" }
        default: return nil
        }
    }

    private var hasNothing: Bool {
        switch self.content {
        case .missing, .withoutTables: true
        case .withTables, .unusable: false
        }
    }

    /// Two vaults that are both written to are never made without a word.
    private func objection(
        toServingAlone parameters: ControlCommand.Initialize
    ) -> (ControlExit, String)? {
        let peer = self.peerName
        guard self.record.role == .none, self.isPeerHeard, self.presence?.gate == .open,
            parameters.confirm != peer
        else { return nil }
        return (
            .needsConfirmation,
            "\(peer) serves: two vaults that are both written to go apart, and of one of them all "
                + "that is new ends in an archive. To take over from \(peer) instead: pairctl enable-ha. To "
                + "serve beside it all the same: pairctl init --standalone --confirm \(peer)"
        )
    }

    var peerHoldsVault: Bool {
        switch self.presence?.content {
        case .missing, .withoutTables: false
        case .withTables, .unusable, nil: true
        }
    }

    private func objection(
        toEnabling parameters: ControlCommand.Enable
    ) -> (ControlExit, String)? {
        guard let presence = self.presence, self.controlLink != nil else { return nil }
        let record = self.record
        // The verb again, while either node is being brought in line: nothing more is given up.
        guard record.role != .primary, record.role != .secondary else { return nil }
        if record.role == .standalone, presence.role == .standalone, self.peerHoldsVault {
            guard parameters.discardPeerVault, parameters.confirm == presence.name else {
                return (.needsConfirmation, self.bothServeText)
            }
            return nil
        }
        let peerServes = presence.role == .primary || presence.role == .standalone
        if !peerServes, case .withTables = presence.content, self.hasNothing {
            return (
                .refused,
                "\(self.localName), this node, has no vault, and \(presence.name) has one. Type on "
                    + "\(presence.name): pairctl enable-ha"
            )
        }
        // Nothing is given up where there is nothing.
        if !self.peerHoldsVault { return nil }
        let own = record.lineage
        let surplus =
            peerServes
            ? Self.surplus(own, self.position, self.content, over: presence.lineage)
            : Self.surplus(presence.lineage, presence.position, presence.content, over: own)
        guard let surplus else { return nil }
        if peerServes {
            guard parameters.confirm != self.localName else { return nil }
            return (
                .needsConfirmation,
                "\(self.localName), this node, holds \(surplus) that \(presence.name), which "
                    + "serves, does not have. To have them archived here and replaced by a copy: "
                    + "pairctl enable-ha --confirm \(self.localName). To keep this node's vault "
                    + "instead: pairctl init --standalone --confirm \(presence.name), then pairctl "
                    + "enable-ha --discard-peer-vault --confirm \(presence.name)"
            )
        }
        guard parameters.discardPeerVault, parameters.confirm == presence.name else {
            return (
                .needsConfirmation,
                "\(presence.name) holds \(surplus) that \(self.localName) does not have. To have "
                    + "them archived and replaced by a copy: pairctl enable-ha "
                    + "--discard-peer-vault --confirm \(presence.name)"
            )
        }
        return nil
    }

    /// What one node holds that the other does not: transactions after their fork, or a vault that
    /// was never part of the other's history; `nil` when that is nothing.
    private static func surplus(
        _ lineage: Lineage,
        _ position: Position?,
        _ content: VaultContent,
        over other: Lineage
    ) -> String? {
        guard other.shares(lineage) else {
            guard case .withTables = content else { return nil }
            return "a vault of its own"
        }
        // There the vault has been replaced since: nothing of this one is in the new one.
        if other.isReplaced(against: lineage), case .withTables = content {
            return "the vault from before it was replaced, with all of its rows,"
        }
        guard !other.includes(lineage), let position, let fork = other.fork(from: lineage),
            position.txid > fork.txid
        else { return nil }
        return StatusText.counted(position.txid.distance(from: fork.txid), "transaction")
    }

    /// What a peer that serves nothing holds all the same, while this node serves alone.
    var surplusOfPeer: String? {
        guard self.record.role == .standalone, self.isPeerHeard, let presence = self.presence,
            presence.role == .none, !self.record.lineage.entries.isEmpty,
            let surplus = Self.surplus(
                presence.lineage,
                presence.position,
                presence.content,
                over: self.record.lineage
            )
        else { return nil }
        return
            "\(presence.name), which serves nothing, holds \(surplus) that \(self.localName) does "
            + "not have: they are archived with pairctl enable-ha, and by nothing else"
    }

    private var bothServeText: String {
        let (mine, theirs) = (self.record.lineage, self.presence?.lineage ?? .empty)
        let own = Self.surplus(mine, self.position, self.content, over: theirs) ?? "nothing"
        let peers =
            self.presence.map {
                Self.surplus(theirs, $0.position, $0.content, over: mine) ?? "nothing"
            } ?? "a vault"
        return
            "both nodes serve alone: \(self.localName) holds \(own) and \(self.peerName) \(peers) "
            + "that the other does not have. To keep \(self.localName)'s vault, and have "
            + "\(self.peerName)'s archived and replaced by a copy: pairctl enable-ha "
            + "--discard-peer-vault --confirm \(self.peerName). To keep \(self.peerName)'s, type "
            + "there: pairctl enable-ha --discard-peer-vault --confirm \(self.localName)"
    }

    private func missing(_ parameters: ControlCommand.Promote) -> [String] {
        var missing: [String] = []
        if parameters.confirm != self.peerName { missing.append("--confirm \(self.peerName)") }
        if parameters.reason?.isEmpty ?? true { missing.append("--reason TEXT") }
        return missing
    }

    /// What a forced promotion risks, and when it would be safe without force.
    private func promotionWarning(missing: [String]) -> String {
        let peer = self.peerName
        let command = "pairctl promote --force --confirm \(peer) --reason TEXT"
        let lacks = missing.isEmpty ? "" : "missing: \(missing.joined(separator: " and ")). "
        let risk: String
        if self.record.role == .primary, self.failover?.isVaultLost == true {
            return
                "\(lacks)what lies here is not the vault that this node served. It would replace "
                + "\(peer)'s copy, which would end in an archive. If that is what you want: \(command)"
        } else if self.record.role == .primary {
            risk = "\(peer) may have taken over while this node's gate was closed"
        } else {
            let behind = self.shell.figures.values.primaryPosition.map {
                $0.txid.distance(from: self.position?.txid ?? .zero)
            }
            let loss =
                behind.map { count in
                    count == 0
                        ? "nothing that this node knows of"
                        : "at least \(StatusText.counted(count, "transaction"))"
                } ?? "an unknown number of transactions"
            if self.failover?.peerHasLostVault == true {
                return
                    "\(lacks)\(peer) has lost its vault: what it had committed since the last contact "
                    + "(\(loss)) is not in this node's copy. If that vault cannot be brought back: "
                    + command
            }
            if self.peerHasFailed {
                return
                    "\(lacks)\(peer) has failed and serves nothing. What it had committed since the last "
                    + "contact (\(loss)) would end in an archive, if its disk still has it. "
                    + "\(self.untilSafe)To take over now: \(command)"
            }
            risk =
                "\(peer) may still serve, and what it accepted since the last contact (\(loss)) "
                + "would end in an archive"
        }
        return
            "\(lacks)unsafe: \(risk). \(self.untilSafe)If \(peer) is known to be down: \(command)"
    }

    /// When this node would promote itself, or that it never will.
    private var untilSafe: String {
        let record = self.record
        guard record.role == .secondary else { return "" }
        if record.policy.failover == .manual {
            return "Waiting makes it no safer: the policy is manual. "
        }
        if record.suspension != nil {
            return "Waiting makes it no safer: automatic failover is suspended. "
        }
        guard record.arming.isArmed else {
            return "Waiting makes it no safer: this node is not armed. "
        }
        let left = record.policy.timeout - (self.failover?.silence ?? .zero)
        guard left > .zero else { return "This node is about to promote itself. " }
        return "Safe in \(StatusText.time(left.inSeconds, decimals: false)), by itself. "
    }

    // MARK: What would be done

    /// What the verb would come to now: the machine itself is asked, and forgets it again.
    func rehearse(_ request: Request, of call: OperatorCall) -> (ControlExit, String) {
        guard var machine = self.failover else { return (.failed, "the node is still starting") }
        for effect in machine.handle(.operatorAsked(request), at: self.shell.now) {
            guard case .reply(request.id, let reply) = effect else { continue }
            switch reply {
            case .refused(let refusal): return self.explain(refusal, of: call)
            case .nothingToDo: return (.done, "nothing to do: \(self.standingText)")
            case .done, .started, .aborted: break
            }
        }
        return (.done, self.preview(request.verb) + "; nothing has changed")
    }

    private func preview(_ verb: Request.Verb) -> String {
        switch verb {
        case .enableHA:
            "\(self.localName) would become primary and \(self.peerName) its secondary"
        case .disableHA: "HA would be switched off; the primary would go on alone"
        case .switchover: "the roles of \(self.localName) and \(self.peerName) would be exchanged"
        case .promote: "\(self.localName) would become primary"
        case .suspend: "no automatic failover would happen for that time"
        case .resume: "automatic failover would be possible again"
        case .standalone: "\(self.localName) would serve its vault alone"
        }
    }

    /// A refusal in the operator's words, with the safe way.
    func explain(_ refusal: Failover.Refusal, of call: OperatorCall) -> (ControlExit, String) {
        switch refusal {
        case .notPaired:
            (
                .refused,
                "this node has no peer; type here: pairctl pair invite, and on the other "
                    + "node: pairctl pair join HOST:PORT"
            )
        case .haIsOff: (.refused, self.offText)
        case .haIsOn: (.refused, "HA is on; switch it off first: pairctl disable-ha")
        case .peerUnreachable:
            (.refused, self.unreachableText(call))
        case .peerNotArmed:
            (.refused, "\(self.peerName) is not armed yet; pairctl status says why")
        case .peerNotInSync:
            (.refused, "\(self.peerName) is still behind; pairctl status shows how far")
        case .thisNodeIsSeeding:
            (.refused, "the copy on this node is not complete; it cannot be served")
        case .bothServe:
            (.needsConfirmation, self.bothServeText)
        case .busy: (.refused, "another operation goes on; pairctl status shows it")
        case .unsafe: (.needsConfirmation, self.promotionWarning(missing: []))
        case .inDoubt:
            (
                .inDoubt,
                "a switchover is in doubt: this node has handed over and waits to hear "
                    + "whether \(self.peerName) took over; it resolves itself when they meet"
            )
        case .wrongRole(let role):
            (.refused, "not possible while the role is \(role.rawValue)")
        case .vaultLost:
            (
                .refused,
                self.vaultLoss.map { loss in
                    loss.reason + (loss.next.map { "; \($0)" } ?? "")
                } ?? "there is no vault here; pairctl status says what to do"
            )
        case .peerVaultLost:
            (
                .refused,
                "\(self.peerName), the primary, has lost its vault: what may be the last copy is on "
                    + "\(self.localName), this node; to serve it: pairctl promote"
            )
        }
    }

    /// What a node without HA can do instead, by what it is.
    private var offText: String {
        let (node, peer) = (self.localName, self.peerName)
        switch self.record.role {
        case .standalone:
            return "HA is off, and \(node), this node, serves alone already; to make a pair of "
                + "which it is the primary: pairctl enable-ha"
        case .none where self.controlLink != nil && self.peerRole == .standalone:
            return "HA is off: \(peer) serves alone; to have \(node), this node, catch up and take "
                + "over: pairctl enable-ha"
        case .none:
            return "HA is off, and \(node), this node, serves nothing; to make it the primary: "
                + "pairctl enable-ha; \(self.aloneText)"
        case .primary, .secondary:
            return "not possible while \(node), this node, is \(self.state.rawValue); "
                + "type: pairctl status"
        }
    }

    /// The way out for a node whose peer never comes back.
    private var aloneText: String {
        "if \(self.peerName) is lost, and \(self.localName) is to serve its own copy alone: "
            + "pairctl init --standalone"
    }

    private func unreachableText(_ call: OperatorCall) -> String {
        let peer = self.peerName
        switch call.request.command {
        case .suspend, .resume:
            return "\(peer) cannot be reached, and it is the secondary that is suspended: type the "
                + "command there, or start paird there and try again"
        case .disableHA where self.record.role == .secondary:
            return "\(peer) cannot be reached, and it is the primary: start paird there and try "
                + "again; if it is lost, make this node the primary first: pairctl promote"
        case .disableHA:
            return "\(peer) cannot be reached; start paird there and try again; if it is known to "
                + "be down: pairctl disable-ha --force --confirm \(peer)"
        case .enableHA where self.record.role == .none:
            return "\(peer) cannot be reached, and it may hold newer data; start paird there and "
                + "try again; \(self.aloneText)"
        case .enableHA where self.record.role == .secondary:
            return "\(peer) cannot be reached, and it is the primary: start paird there and try "
                + "again; if it is lost: pairctl promote"
        case .enableHA:
            return "\(peer) cannot be reached; \(self.localName) serves alone meanwhile; start "
                + "paird there and try again; if it is lost: pairctl pair remove, then "
                + "pairctl pair invite"
        case .switchover where self.record.role == .secondary:
            return "\(peer) cannot be reached, and it is the primary: start paird there and try "
                + "again; if it is lost: pairctl promote"
        default:
            return "\(peer) cannot be reached, and it may hold newer data; start paird there and "
                + "try again"
        }
    }
}

extension NodeRecord {
    /// HA is on here.
    fileprivate var isInPair: Bool { self.role == .primary || self.role == .secondary }
}
