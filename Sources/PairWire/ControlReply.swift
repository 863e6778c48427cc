package import PairCore

/// One line of JSON from the daemon to `pairctl`.
///
///     {"progress":{"text":"copying the vault","doneBytes":1048576,"totalBytes":8388608}}
///     {"exitCode":0,"message":"…","payload":{…}}
///
/// Any number of the first, then one of the second, which is the last line.
package enum ControlReply<Payload: Codable & Hashable & Sendable>: Hashable, Sendable {
    case progress(ControlProgress)
    case final(ControlOutcome<Payload>)
}

extension ControlReply: Codable {
    private enum CodingKeys: String, CodingKey {
        case progress
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        if let progress = try container.decodeIfPresent(ControlProgress.self, forKey: .progress) {
            self = .progress(progress)
        } else {
            self = .final(try ControlOutcome(from: decoder))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        switch self {
        case .progress(let progress):
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(progress, forKey: .progress)
        case .final(let outcome):
            try outcome.encode(to: encoder)
        }
    }
}

/// What is happening while the operator waits; shown on stderr.
package struct ControlProgress: Hashable, Sendable, Codable {
    package var text: String
    package var doneBytes: UInt64?
    package var totalBytes: UInt64?

    package init(_ text: String, doneBytes: UInt64? = nil, totalBytes: UInt64? = nil) {
        self.text = text
        self.doneBytes = doneBytes
        self.totalBytes = totalBytes
    }
}

/// How a verb ended.
package struct ControlOutcome<Payload: Codable & Hashable & Sendable>: Hashable, Sendable, Codable {
    package var exitCode: ControlExit
    /// For stderr; empty when there is nothing to say.
    package var message: String
    /// For stdout; `nil` when the verb did not get as far.
    package var payload: Payload?

    package init(_ exitCode: ControlExit, message: String = "", payload: Payload? = nil) {
        self.exitCode = exitCode
        self.message = message
        self.payload = payload
    }
}

/// The exit codes of `pairctl`, apart from those of `status`, which are the verdict's.
package enum ControlExit: Int32, Hashable, Sendable, Codable, CaseIterable, Error {
    /// Done; with `--wait`: reached.
    case done = 0
    /// Tried and failed; the old state is kept.
    case failed = 1
    /// A safety rule forbids it; the text names the rule and the safe way.
    case refused = 10
    /// Data would be given up: say so with `--confirm NODE`.
    case needsConfirmation = 11
    /// In doubt, and safe; the text says what resolves it.
    case inDoubt = 12
    case usage = 64
    /// The daemon, or the peer that the verb takes, is not running or does not answer.
    case unavailable = 69
    /// Still going on, and may finish.
    case timedOut = 75
    case notPermitted = 77
    case configurationInvalid = 78
}

/// For verbs that answer with a message only.
package struct ControlNothing: Hashable, Sendable, Codable {
    package init() {}
}

/// `pair invite`: what the other node's operator needs.
package struct PairInvitation: Hashable, Sendable, Codable {
    /// Secret until it is used or expires.
    package var code: String
    /// HOST:PORT to join; the host is a guess where the listener has no address of its own.
    package var address: String
    /// Of this node's keys, for the person who compares.
    package var fingerprint: String
    package var expiresAt: WallTime

    package init(code: String, address: String, fingerprint: String, expiresAt: WallTime) {
        self.code = code
        self.address = address
        self.fingerprint = fingerprint
        self.expiresAt = expiresAt
    }
}

/// `pair join` and `pair show`: the two nodes and how they know each other.
package struct PairDescription: Hashable, Sendable, Codable {
    /// `nil` while the node is not paired.
    package var pair: String?
    package var name: String
    /// Of the pair, the same four groups on both nodes; `nil` while the node is not paired.
    package var fingerprint: String?
    package var local: Member
    package var peer: Member?

    package struct Member: Hashable, Sendable, Codable {
        package var name: String
        package var id: String
        package var model: String
        /// HOST:PORT; of this node, where it listens.
        package var address: String
        /// Hexadecimal SHA-256 of the TLS public key.
        package var keyPin: String

        package init(name: String, id: NodeID, model: String, address: String, keyPin: [UInt8]) {
            self.name = name
            self.id = id.description
            self.model = model
            self.address = address
            self.keyPin = Hex.string(keyPin)
        }
    }

    package init(
        pair: PairID?,
        name: String,
        fingerprint: String?,
        local: Member,
        peer: Member?
    ) {
        self.pair = pair?.description
        self.name = name
        self.fingerprint = fingerprint
        self.local = local
        self.peer = peer
    }
}

/// `enable-ha`, and later the other verbs that move roles: who is what now.
package struct OperationReport: Hashable, Sendable, Codable {
    /// `nil` when there was nothing to do.
    package var operation: String?
    /// Names of nodes.
    package var primary: String?
    package var secondary: String?
    package var verdict: Verdict

    package init(
        operation: OperationID?,
        primary: String?,
        secondary: String?,
        verdict: Verdict
    ) {
        self.operation = operation?.description
        self.primary = primary
        self.secondary = secondary
        self.verdict = verdict
    }
}

/// `verify`: the two copies side by side at one position.
package struct VerifyReport: Hashable, Sendable, Codable {
    package var at: WallTime
    package var kind: String
    package var primary: String
    package var secondary: String
    package var position: StatusReport.Place
    package var equal: Bool
    package var comparedPages: UInt64
    /// The pages that differ; at most the first 1,000.
    package var differentPages: [UInt32]
    package var repaired: Bool
    /// SQLite's words on the secondary; `nil` when it was not asked.
    package var integrityCheck: String?

    package init(
        at: WallTime,
        full: Bool,
        primary: String,
        secondary: String,
        position: Position,
        equal: Bool,
        comparedPages: UInt64,
        differentPages: [UInt32] = [],
        repaired: Bool = false,
        integrityCheck: String? = nil
    ) {
        self.at = at
        self.kind = full ? "full" : "digest"
        self.primary = primary
        self.secondary = secondary
        self.position = StatusReport.Place(position)
        self.equal = equal
        self.comparedPages = comparedPages
        self.differentPages = differentPages
        self.repaired = repaired
        self.integrityCheck = integrityCheck
    }
}

/// `wait`: the position that has got there, and what it took.
package struct WaitReport: Hashable, Sendable, Codable {
    package var level: ControlCommand.Wait.Level
    package var position: StatusReport.Place
    package var primary: String
    package var secondary: String
    package var waitedSeconds: Double

    package init(
        level: ControlCommand.Wait.Level,
        position: Position,
        primary: String,
        secondary: String,
        waited: Duration
    ) {
        self.level = level
        self.position = StatusReport.Place(position)
        self.primary = primary
        self.secondary = secondary
        self.waitedSeconds = waited.inSeconds
    }
}
