import Foundation
import Logging
import PairCore
import PairDaemon
import PairWire
import Synchronization
import Testing

@Suite("Events: the names, and what each line says")
struct EventTests {
    /// The contract.
    static let contract = Set(
        """
        daemon.start daemon.ready daemon.stop config.rejected config.reloaded guard.started
        guard.closed_gate guard.handed_over pair.invited pair.code_failed pair.code_burned
        pair.established pair.removed ha.enabled ha.disabled peer.up peer.down peer.suspect
        peer.rejected heartbeat.rejected role.promoting role.promoted role.demoted
        role.stale_primary_seen gate.opened gate.closed gate.overrun switchover.start
        switchover.done switchover.aborted switchover.in_doubt seed.start seed.progress seed.done
        seed.failed repl.connected repl.lost repl.stalled repl.recovered vault.verified
        vault.verify_failed vault.repaired vault.replaced vault.healed vault.marker_cleared
        divergence.detected divergence.archived divergence.resolved storage.error storage.full
        storage.stalled tls.refused operator.action suspend.on suspend.off
        """.split { " \n".contains($0) }.map(String.init)
    )
    /// What cannot happen in this version: no guard, no repair of single pages, no limit to a disk
    /// that hangs.
    static let notYet: Set<String> = [
        "guard.started", "guard.closed_gate", "guard.handed_over", "vault.repaired",
        "storage.stalled",
    ]
    /// What was added: every change of state, and whether the secondary may promote itself.
    static let added: Set<String> = ["role.state", "peer.armed", "peer.disarmed"]

    @Test func `are those of the contract, apart from what cannot happen yet`() {
        let names = Set(EventName.allCases.map(\.rawValue))

        #expect(names == Self.contract.subtracting(Self.notYet).union(Self.added))
    }

    @Test func `are told to the millisecond`() throws {
        let log = EventLog(logger: Logger(label: "paird") { _ in SwiftLogNoOpLogHandler() }) { [:] }
        func milliseconds() -> Int64 { Int64(Date.now.timeIntervalSince1970 * 1000) }

        let before = milliseconds()
        log.emit(.daemonReady)
        let after = milliseconds()

        let at = try #require(log.recent.first?.at.millisecondsSince1970)
        #expect(before - 1 <= at && at <= after + 1)
    }

    @Test func `are all emitted somewhere`() throws {
        let code = try Documents.code(below: "Sources/PairDaemon", except: ["Event.swift"])
        let emitted = Set(
            code.matches(of: /\.([a-zA-Z]+)\b/).map { String($0.1) }
        )

        for name in EventName.allCases {
            #expect(emitted.contains("\(name)"), "\(name.rawValue) is never emitted")
        }
    }

    @Test func `are documented as they are`() throws {
        let rows = try Documents.rows("Metrics", afterHeading: "## Events")
        let documented = rows.compactMap { $0.firstMatch(of: /^\| `([a-z_.]+)` \|/)?.1 }

        #expect(documented.map(String.init) == EventName.allCases.map(\.rawValue))
    }

    @Test func `say epoch, position and role, and keep what strangers say on one short line`() {
        let lines = Mutex<[Logger.Metadata]>([])
        let log = EventLog(
            logger: Logger(label: "test") { _ in
                KeepingHandler { line in lines.withLock { $0.append(line) } }
            },
            context: { ["role": "primary", "epoch": "7", "position": "7/12"] }
        )

        log.emit(
            .peerRejected,
            "a\nb",
            ["reason": "\u{1B}[31m" + String(repeating: "x", count: 300), "source": "::1"]
        )

        let kept = log.recent.first
        #expect(kept?.event == "peer.rejected")
        #expect(kept?.message == "a\\u{a}b")
        #expect(kept?.fields["role"] == "primary" && kept?.fields["epoch"] == "7")
        #expect(kept?.fields["position"] == "7/12")
        #expect((kept?.fields["reason"]?.utf8.count ?? 999) <= 256)
        #expect(kept?.fields["reason"]?.hasPrefix("\\u{1b}[31m") == true)
        #expect(lines.withLock { $0.first?["event"] } == "peer.rejected")
    }
}

/// Hands every line's metadata on.
private struct KeepingHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace
    private let keep: @Sendable (Logger.Metadata) -> Void

    init(_ keep: @escaping @Sendable (Logger.Metadata) -> Void) { self.keep = keep }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    func log(event: LogEvent) { self.keep(event.metadata ?? [:]) }
}
