extension StatusReport {
    /// What happens when the primary falls silent, and what stands in the way.
    package struct Failover: Hashable, Sendable, Codable {
        package var timeoutSeconds: Double
        package var heartbeatSeconds: Double
        /// `nil` when no heartbeat is due, as on a pair whose HA is off.
        @NullWritten package var secondsUntilHeartbeat: Double?
        /// `nil` on a node that is not armed; a blocker says why.
        @NullWritten package var secondsUntilPromotion: Double?
        /// `nil` on a node whose gate needs no lease.
        @NullWritten package var secondsUntilGateCloses: Double?
        package var conditions: [Condition]
        package var blockers: [String]
        @NullWritten package var suspendedUntil: WallTime?

        /// One thing that must hold before the secondary promotes itself.
        package struct Condition: Hashable, Sendable, Codable {
            package var name: String
            package var met: Bool

            package init(name: String, met: Bool) {
                self.name = name
                self.met = met
            }
        }

        package init(
            timeout: Duration,
            heartbeat: Duration,
            untilHeartbeat: Duration? = nil,
            untilPromotion: Duration? = nil,
            untilGateCloses: Duration? = nil,
            conditions: [Condition] = [],
            blockers: [String] = [],
            suspendedUntil: WallTime? = nil
        ) {
            self.timeoutSeconds = timeout.inSeconds
            self.heartbeatSeconds = heartbeat.inSeconds
            self.secondsUntilHeartbeat = untilHeartbeat?.inSeconds
            self.secondsUntilPromotion = untilPromotion?.inSeconds
            self.secondsUntilGateCloses = untilGateCloses?.inSeconds
            self.conditions = conditions
            self.blockers = blockers
            self.suspendedUntil = suspendedUntil
        }
    }

    /// How far a whole copy has come.
    package struct Seed: Hashable, Sendable, Codable {
        package var doneBytes: UInt64
        package var totalBytes: UInt64
        package var bytesPerSecond: UInt64
        @NullWritten package var etaSeconds: Double?

        /// Extrapolates from what was done in `elapsed`, since the first byte of this attempt.
        package init(doneBytes: UInt64, totalBytes: UInt64, elapsed: Duration) {
            let rate = elapsed > .zero ? Double(doneBytes) / elapsed.inSeconds : 0
            let left = Double(totalBytes > doneBytes ? totalBytes - doneBytes : 0)
            self.doneBytes = doneBytes
            self.totalBytes = totalBytes
            self.bytesPerSecond = UInt64(min(rate, 1e15))
            self.etaSeconds = rate >= 1 ? (left / rate * 10).rounded() / 10 : nil
        }
    }

    /// What an operator has begun and the pair is still carrying out.
    package struct Operation: Hashable, Sendable, Codable {
        package var id: String
        /// As typed: `enable-ha`.
        package var verb: String
        package var step: String
        package var since: WallTime

        package init(id: OperationID, verb: String, step: String, since: WallTime) {
            self.id = id.description
            self.verb = verb
            self.step = step
            self.since = since
        }
    }

    /// The archive of a divergent tail.
    package struct Tail: Hashable, Sendable, Codable {
        package var id: String
        /// The name of the node whose transactions these were.
        package var node: String
        package var from: Place
        package var to: Place
        /// Commits of applications; marker frames are not counted.
        package var transactions: UInt64
        package var bytes: UInt64
        package var at: WallTime

        package init(_ tail: NodeRecord.Tail, nodeName: String) {
            self.id = tail.id
            self.node = nodeName
            self.from = Place(tail.from)
            self.to = Place(tail.to)
            self.transactions = tail.transactions
            self.bytes = tail.byteCount
            self.at = WallTime(secondsSince1970: tail.wallSeconds)
        }

        /// How much it is: transactions after a fork, or all of a vault where no fork is known.
        package var extent: String {
            guard self.from.epoch > 0 || self.from.txid > 0 else {
                return "a whole vault, as at \(self.to)"
            }
            return "\(StatusText.counted(self.transactions, "transaction")) "
                + "(\(self.from) to \(self.to))"
        }

        /// What it is, for somebody who has not asked for it.
        package var story: String {
            guard self.from.epoch > 0 || self.from.txid > 0 else {
                return
                    "the vault that \(self.node) held was sealed whole, because its history "
                    + "was not the pair's: see archive \(self.id)"
            }
            return "\(StatusText.counted(self.transactions, "transaction")) that only "
                + "\(self.node) held: see archive \(self.id)"
        }
    }

    /// One entry of the pair's lineage.
    package struct Change: Hashable, Sendable, Codable {
        package var epoch: UInt64
        /// The name of the node that took the epoch.
        package var owner: String
        package var fork: Place
        package var cause: EpochCause
        package var at: WallTime
        /// The name of the node that was primary; `nil` when there was none.
        @NullWritten package var from: String?
        /// The operator's name; `nil` when nobody asked for it, or only the peer knows.
        @NullWritten package var by: String?
        /// What the operator gave as reason.
        @NullWritten package var reason: String?
        /// For how long applications could not write; `nil` where that is not known.
        ///
        /// Measured by the node that was primary; by one that promoted itself, since the last heartbeat,
        /// which is longer.
        @NullWritten package var pausedSeconds: Double?
        /// What only the former primary held, now in an archive; `nil` while none has been sealed.
        @NullWritten package var lostTransactions: UInt64?

        package init(_ entry: LineageEntry, ownerName: String, from: String? = nil) {
            self.epoch = entry.epoch.rawValue
            self.owner = ownerName
            self.fork = Place(entry.fork)
            self.cause = entry.cause
            self.at = WallTime(secondsSince1970: entry.wallSeconds)
            self.from = from
        }

        /// Who or what it was, what it took, and why: `switchover by alice, writes paused 84 ms`.
        package var story: String {
            LastChange(self).story + (self.reason.map { " (\($0))" } ?? "")
        }
    }

    /// The newest change of primary, with what it cost.
    package struct LastChange: Hashable, Sendable, Codable {
        package var at: WallTime
        /// The name of the node that was primary; `nil` when there was none.
        @NullWritten package var from: String?
        package var to: String
        package var cause: EpochCause
        /// The operator's name; `nil` when nobody asked for it.
        @NullWritten package var by: String?
        @NullWritten package var pausedSeconds: Double?
        @NullWritten package var lostTransactions: UInt64?

        package init(_ change: Change) {
            self.at = change.at
            self.from = change.from
            self.to = change.owner
            self.cause = change.cause
            self.by = change.by
            self.pausedSeconds = change.pausedSeconds
            self.lostTransactions = change.lostTransactions
        }

        package init(
            at: WallTime,
            from: String?,
            to: String,
            cause: EpochCause,
            by: String? = nil,
            paused: Duration? = nil,
            lostTransactions: UInt64? = nil
        ) {
            self.at = at
            self.from = from
            self.to = to
            self.cause = cause
            self.by = by
            self.pausedSeconds = paused?.inSeconds
            self.lostTransactions = lostTransactions
        }

        /// Who or what it was, and what it took.
        package var story: String {
            var text = self.cause.rawValue
            text += self.by.map { " by \($0)" } ?? " to \(self.to)"
            if let paused = self.pausedSeconds {
                let time = StatusText.time(paused)
                // Whether the former primary served on meanwhile is not known.
                text +=
                    self.cause == .failover
                    ? ", \(time) after the last heartbeat" : ", writes paused \(time)"
            }
            if let lost = self.lostTransactions, lost > 0 {
                text += ", \(StatusText.counted(lost, "transaction")) archived"
            }
            return text
        }
    }
}
