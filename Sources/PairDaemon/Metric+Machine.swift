import PairNet
import PairStore

// Figures of the disk, of the listeners and of the process.
extension Metric {
    static let vaultBytes = gauge("vault_bytes", "Size of the vault's file.")
    static let walBytes = gauge("wal_bytes", "Size of the vault's write-ahead log.")
    static let logRetainedBytes = gauge(
        "log_retained_bytes",
        "Size of the log of transactions that is kept for a peer that is away."
    )
    static let syncDuration = histogram(
        "fsync_duration_seconds",
        "How long the disk took to make a file of ours or the vault's WAL durable.",
        SyncTimes.bounds
    )
    static let storageErrors = counter(
        "storage_errors_total",
        "Failures of the disk or of the vault, by what was tried.",
        by: "op",
        StorageTask.allCases.map(\.rawValue)
    )
    static let storageFree = gauge(
        "storage_free_bytes",
        "Free bytes where there are fewer: on the vault's file system, or on the state folder's."
    )

    static let handshakes = counter(
        "tls_handshakes_total",
        "TLS handshakes on the replication port and to the peer's, by how they ended.",
        by: "result",
        HandshakeResult.allCases.map(\.rawValue)
    )
    static let rejected = counter(
        "connections_rejected_total",
        "Connections that were not let in.",
        by: ["listener", "reason"],
        AdmissionControl.Refusal.allCases.map { ["replication", $0.rawValue] }
            + ["tls", "key", "opening"].map { ["replication", $0] }
            + [
                ["health", "too_many_connections"], ["control", "too_many_connections"],
                ["control", "not_permitted"],
            ]
    )
    static let healthRequests = counter(
        "health_requests_total",
        "Answers of the health listener; / and /health are /primary.",
        by: ["path", "code"],
        ["/primary", "/secondary", "/ready", "/live"].flatMap { [[$0, "200"], [$0, "503"]] }
            + [["/metrics", "200"], ["/v1/status", "200"]]
            + ["400", "404", "405", "431", "503"].map { ["other", $0] }
    )

    static let processorTime = counter(
        "process_cpu_seconds_total",
        "User and system time of this process."
    )
    static let residentMemory = gauge(
        "process_resident_memory_bytes",
        "Memory of this process that is in RAM."
    )
    static let virtualMemory = gauge(
        "process_virtual_memory_bytes",
        "Address space of this process."
    )
    static let openDescriptors = gauge("process_open_fds", "Open file descriptors of this process.")
    static let startTime = gauge(
        "process_start_time_seconds",
        "When this process started, in seconds since 1970."
    )
}

/// What was tried when the disk or the vault failed.
enum StorageTask: String, CaseIterable {
    case effect
    case log
    case sample
    case checkpoint
    case vault
    case gate
    case archive
    case state
}
