import PairCore
import PairNet
import PairStore

// Names, types and meanings are a contract with whoever scrapes: nothing is renamed.
extension Metric {
    /// Everything on the page, in its order.
    package static let all: [Metric] =
        Self.standing + Self.failover + Self.replication + Self.storage + Self.network
        + Self.process

    private static let standing: [Metric] = [
        .buildInfo, .role, .state, .gateOpen, .guardUp, .gateOverruns, .writeHoldMax, .epoch, .txid,
        .eventsLost,
    ]
    private static let failover: [Metric] = [
        .peerUp, .peerLastHeard, .heartbeatsSent, .heartbeatsReceived, .heartbeatsRejected,
        .heartbeatRoundTrip, .secondsUntilPromotion, .failovers, .failoverDuration, .writesPaused,
    ]
    private static let replication: [Metric] = [
        .lagSeconds, .lagBytes, .unprotectedTransactions, .unprotectedBytes, .capturedTransactions,
        .capturedBytes, .shippedBytes, .appliedTransactions, .seedProgress, .verifyTimestamp,
        .verifyFailures, .divergences, .tails,
    ]
    private static let storage: [Metric] = [
        .vaultBytes, .walBytes, .logRetainedBytes, .syncDuration, .storageErrors, .storageFree,
    ]
    private static let network: [Metric] = [.handshakes, .rejected, .healthRequests]
    private static let process: [Metric] = [
        .processorTime, .residentMemory, .virtualMemory, .openDescriptors, .startTime,
    ]

    // MARK: Where the node stands

    static let buildInfo = gauge(
        "build_info",
        "Always 1; the label is the version that runs.",
        by: "version",
        [Release.version]
    )
    static let role = gauge(
        "role",
        "1 for the node's role, 0 for the others.",
        by: "role",
        Role.allCases.map(\.rawValue)
    )
    static let state = gauge(
        "state",
        "1 for what the node does in its role, 0 for everything else.",
        by: "state",
        NodeState.allCases.map(\.rawValue)
    )
    static let gateOpen = gauge("gate_open", "1 while applications may write here.")
    static let guardUp = gauge(
        "guard_up",
        "1 while a guard keeps the gate; always 0, as this version has no guard yet."
    )
    static let gateOverruns = counter(
        "gate_overruns_total",
        "Closings of the gate that a write transaction held up for longer than the margin."
    )
    static let writeHoldMax = gauge(
        "write_hold_max_seconds",
        "The longest that an application held SQLite's write lock since the start, seen at ticks."
    )
    static let epoch = gauge("epoch", "Counts the changes of primary.")
    static let txid = gauge(
        "txid",
        "The newest transaction here: captured on a primary, applied on a secondary."
    )
    static let eventsLost = counter(
        "events_lost_total",
        "Events that found the queue of the node's loop full."
    )

    // MARK: The peer, and taking over from it

    static let peerUp = gauge("peer_up", "1 while the peer is connected.")
    static let peerLastHeard = gauge(
        "peer_last_heard_seconds",
        "Since the peer's last word, or since the start; NaN without a peer."
    )
    static let heartbeatsSent = counter("heartbeats_sent_total", "Heartbeats and answers sent.")
    static let heartbeatsReceived = counter(
        "heartbeats_received_total",
        "Heartbeats and answers received with a right signature."
    )
    static let heartbeatsRejected = counter(
        "heartbeats_rejected_total",
        "Signed messages of the peer that were not believed.",
        by: "reason",
        ["stale", "malformed", "signature", "version", "foreign"]
    )
    static let heartbeatRoundTrip = histogram(
        "heartbeat_rtt_seconds",
        "From the sending of a heartbeat to its answer, on a primary.",
        [0.001, 0.005, 0.025, 0.1, 0.5, 2.5]
    )
    static let secondsUntilPromotion = gauge(
        "seconds_until_promotion",
        "Until this secondary promotes itself unless it hears a heartbeat; +Inf where it never would."
    )
    static let failovers = counter(
        "failovers_total",
        "Times that this node became primary, by cause.",
        by: "cause",
        EpochCause.allCases.map(\.rawValue)
    )
    static let failoverDuration = histogram(
        "failover_duration_seconds",
        "From the old primary's last heartbeat to the open gate here, after a failover.",
        [1, 5, 30, 120, 600, 900, 1800]
    )
    static let writesPaused = histogram(
        "writes_paused_seconds",
        "From a gate that closed here to one that is open, here or after a switchover on the peer.",
        [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]
    )

    // MARK: How changes travel

    static let lagSeconds = gauge(
        "replication_lag_seconds",
        "Age of the oldest transaction that the secondary has not applied, on a primary."
    )
    static let lagBytes = gauge(
        "replication_lag_bytes",
        "Bytes of the transactions that the secondary has not applied, on a primary."
    )
    static let unprotectedTransactions = gauge(
        "unprotected_transactions",
        "Transactions that are not on the secondary's disk, on a primary."
    )
    static let unprotectedBytes = gauge(
        "unprotected_bytes",
        "Bytes of the transactions that are not on the secondary's disk, on a primary."
    )
    static let capturedTransactions = counter(
        "captured_transactions_total",
        "Transactions of applications that were captured here."
    )
    static let capturedBytes = counter(
        "captured_bytes_total",
        "Bytes of the segments that were captured here."
    )
    static let shippedBytes = counter(
        "shipped_bytes_total",
        "Bytes of segments and pages that were handed to the network for the secondary."
    )
    static let appliedTransactions = counter(
        "applied_transactions_total",
        "Transactions of the primary that were applied here; those within a copy are not counted."
    )
    static let seedProgress = gauge(
        "seed_progress_ratio",
        "How much of a copy is done, 0 to 1; NaN while none is under way."
    )
    static let verifyTimestamp = gauge(
        "vault_verify_timestamp_seconds",
        "When the last verify ended here, in seconds since 1970; 0 for none since the start."
    )
    static let verifyFailures = counter(
        "vault_verify_failures_total",
        "Verifies that found the two copies different."
    )
    static let divergences = counter(
        "divergences_total",
        "Times that this node's history was found to differ from the peer's."
    )
    static let tails = gauge("tails", "Archives of divergent tails on this node's disk.")
}
