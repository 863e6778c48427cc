import PairCore
import Testing

/// The report of a pair as it should be.
func healthyReport() -> StatusReport {
    let at = WallTime(secondsSince1970: 1_793_590_000)
    let position = Position(
        epoch: Epoch(rawValue: 7),
        txid: TXID(991_823),
        digest: VaultDigest(1, 2, 3, 4)
    )
    return StatusReport(
        generatedAt: at,
        verdict: .protected,
        reasons: [],
        next: nil,
        lab: false,
        pair: StatusReport.Pair(
            id: PairID(high: 1, low: 2),
            name: "vault-eu",
            epoch: Epoch(rawValue: 7),
            policy: .available
        ),
        local: StatusReport.Node(
            name: "ams-1",
            id: NodeID(high: 3, low: 4),
            model: "PAM 500",
            version: "0.3.0",
            role: .primary,
            state: .streaming,
            gate: .open,
            right: .leased,
            position: position,
            bootID: "00ff"
        ),
        peer: healthyPeer(),
        replication: StatusReport.Replication(
            lagTransactions: 3,
            lagBytes: 4096,
            lag: .milliseconds(300),
            unprotectedTransactions: 3,
            unprotectedBytes: 4096,
            digestEqualAt: WallTime(millisecondsSince1970: at.millisecondsSince1970 - 800),
            lastVerifyAt: WallTime(secondsSince1970: 1_793_589_120),
            lastVerifyDifferences: 0
        ),
        failover: StatusReport.Failover(
            timeout: .seconds(840),
            heartbeat: .seconds(130),
            untilHeartbeat: .seconds(41),
            untilPromotion: .seconds(751),
            conditions: [.init(name: "armed", met: true)]
        ),
        lastChange: StatusReport.LastChange(
            at: WallTime(secondsSince1970: 1_793_589_247),
            from: "nyc-1",
            to: "ams-1",
            cause: .switchover,
            by: "alice",
            paused: .milliseconds(84)
        )
    )
}

/// The secondary of that pair, three transactions behind.
private func healthyPeer() -> StatusReport.Peer {
    let applied = Position(
        epoch: Epoch(rawValue: 7),
        txid: TXID(991_820),
        digest: VaultDigest(5, 6, 7, 8)
    )
    return StatusReport.Peer(
        node: StatusReport.Node(
            name: "nyc-1",
            id: NodeID(high: 5, low: 6),
            model: "PAM 500",
            version: "0.3.0",
            role: .secondary,
            state: .streaming,
            gate: .closed,
            position: applied
        ),
        address: "203.0.113.7:5022",
        lastHeard: .seconds(2)
    )
}

@Suite("The status as text")
struct StatusTableTests {
    @Test func `shows a healthy pair at a glance`() {
        #expect(
            StatusTable(healthyReport(), isColoured: false, width: 90).text == """
                PROTECTED  pair vault-eu   epoch 7   policy available

                NODE      ROLE        STATE       GATE     POSITION   LAG           LAST HEARD   VERSION
                ams-1 *   primary     streaming   open     7/991823   -             -            0.3.0
                nyc-1     secondary   streaming   closed   7/991820   3 txn 4 KiB   2 s ago      0.3.0

                Failover    nyc-1 promotes itself after 14m without a heartbeat (next one in 41 s)
                Copies      identical as of 7/991820, 0.8 s ago; last full verify 03:12 UTC, 0 differences
                At risk     3 transactions, 4.0 KiB, 0.3 s
                Last change 2026-11-02 03:14 UTC  switchover by alice, writes paused 84 ms

                """
        )
    }

    @Test(arguments: [
        "ams-1", "an-appliance-with-a-long-name", "a.very.long.name.of.an.appliance.eu",
    ])
    func `fits eighty columns`(name: String) {
        var report = healthyReport()
        report.local.name = name
        report.local.state = .lookingForPeer
        report.reasons = [String(repeating: "the peer is not reachable and ", count: 5) + "more"]
        report.next = "pairctl promote --force --confirm nyc-1 --reason 'the peer is down for good'"

        let lines = StatusTable(report, isColoured: false).text.split(separator: "\n")

        #expect(lines.allSatisfy { $0.count <= 80 })
        #expect(lines.contains { $0.hasPrefix("Next        pairctl promote") })
    }

    @Test func `says what is wrong, what stands in the way and what to type`() {
        var report = healthyReport()
        report.verdict = .unprotected
        report.reasons = ["nyc-1 is not connected for 3 min"]
        report.next = "on nyc-1: systemctl status paird"
        report.failover.blockers = ["not armed"]
        report.failover.secondsUntilPromotion = nil
        report.seed = StatusReport.Seed(
            doneBytes: 1 << 20,
            totalBytes: 4 << 20,
            elapsed: .seconds(2)
        )
        report.lab = true

        let text = StatusTable(report, isColoured: false).text

        for line in [
            "UNPROTECTED  pair vault-eu   epoch 7   policy available   LAB",
            "Reason      nyc-1 is not connected for 3 min",
            "Seed        25 %, 1.0 MiB of 4.0 MiB, 512 KiB/s, 6.0 s to go",
            "Failover    nyc-1 does not promote itself", "Blocked by  not armed",
            "Next        on nyc-1: systemctl status paird",
        ] {
            #expect(text.contains(line + "\n"), "\(line)\n\(text)")
        }
    }

    @Test(arguments: Verdict.allCases)
    func `is coloured by the verdict only where it was asked for`(verdict: Verdict) {
        var report = healthyReport()
        report.verdict = verdict

        let colour = ["\u{1B}[1;32m", "\u{1B}[1;33m", "\u{1B}[1;31m"][Int(verdict.exitCode)]
        #expect(StatusTable(report, isColoured: true).text.hasPrefix(colour))
        #expect(!StatusTable(report, isColoured: false).text.contains("\u{1B}"))
    }

    @Test func `tells quantities in words`() {
        #expect(
            [0, 0.0842, 0.8, 9.9, 41, 119, 840, 12_000, 604_800, 600_000].map {
                StatusText.time($0)
            } == [
                "0 s", "85 ms", "0.8 s", "9.9 s", "41 s", "119 s", "14m", "3h 20m", "7d", "6d 22h",
            ]
        )
        #expect(
            [512, 4096, 1536 << 20, 5 << 50].map { StatusText.size($0) }
                == ["512 B", "4.0 KiB", "1.5 GiB", "5120 TiB"]
        )
        #expect(StatusText.counted(1, "transaction") == "1 transaction")
        #expect(StatusText.counted(1_234_567, "page") == "1,234,567 pages")
    }
}

@Suite("The status as JSON")
struct StatusReportTests {
    @Test func `ends the command with the verdict's code`() {
        #expect(Verdict.allCases.map(\.exitCode) == [0, 0, 1, 2, 2, 2, 1])
    }
}

@Suite("The health listener's answers")
struct StatusHealthTests {
    /// Role, state, gate, then the word and the codes of /primary, /secondary, /ready, /live.
    static let table: [(Role, NodeState, GateState, String, [Int])] = [
        (.primary, .streaming, .open, "PAIRD=PRIMARY", [200, 503, 200, 200]),
        (.primary, .alone, .open, "PAIRD=PRIMARY", [200, 503, 200, 200]),
        (.standalone, .serving, .open, "PAIRD=PRIMARY", [200, 503, 200, 200]),
        (.primary, .alone, .closed, "PAIRD=WAIT", [503, 503, 503, 200]),
        (.primary, .draining, .closed, "PAIRD=DRAIN", [503, 503, 503, 200]),
        (.primary, .inDoubt, .closed, "PAIRD=DRAIN", [503, 503, 503, 200]),
        (.secondary, .streaming, .closed, "PAIRD=SECONDARY", [503, 200, 200, 200]),
        (.secondary, .suspect, .closed, "PAIRD=SECONDARY", [503, 200, 200, 200]),
        (.secondary, .catchingUp, .closed, "PAIRD=WAIT", [503, 503, 503, 200]),
        (.secondary, .promoting, .closed, "PAIRD=WAIT", [503, 503, 503, 200]),
        (.none, .seeding, .closed, "PAIRD=WAIT", [503, 503, 503, 200]),
        (.none, .unpaired, .unmanaged, "PAIRD=NONE", [503, 503, 503, 200]),
        (.none, .paired, .unmanaged, "PAIRD=NONE", [503, 503, 503, 200]),
        (.none, .parked, .closed, "PAIRD=NONE", [503, 503, 503, 200]),
        (.primary, .fenced, .closed, "PAIRD=FENCED", [503, 503, 503, 200]),
        (.secondary, .superseded, .closed, "PAIRD=FENCED", [503, 503, 503, 200]),
        (.secondary, .hold, .closed, "PAIRD=FENCED", [503, 503, 503, 200]),
        (.secondary, .quarantined, .closed, "PAIRD=FENCED", [503, 503, 503, 200]),
        (.primary, .failed, .closed, "PAIRD=FAILED", [503, 503, 503, 200]),
    ]

    @Test(arguments: table.indices)
    func `follow the table`(row: Int) {
        let (role, state, gate, body, codes) = Self.table[row]

        let health = Health(role: role, state: state, gate: gate, silence: .seconds(3))

        #expect(health.body == body)
        #expect(Health.Question.allCases.map(health.status) == codes)
    }

    @Test func `send clients to a node exactly when its gate is open`() {
        for role in Role.allCases {
            for state in NodeState.allCases {
                for gate in [GateState.open, .closed, .unmanaged] {
                    let health = Health(role: role, state: state, gate: gate, silence: .zero)
                    #expect((health.status(.primary) == 200) == (gate == .open))
                }
            }
        }
    }

    @Test func `are all no when the loop has stalled`() {
        let health = Health(
            role: .primary,
            state: .streaming,
            gate: .open,
            silence: .milliseconds(3001)
        )

        #expect(health.body == "PAIRD=STALE")
        #expect(Health.Question.allCases.map(health.status) == [503, 503, 503, 503])
    }

    @Test func `know the paths of the contract and no others`() {
        #expect(Health.Question(path: "/") == .primary)
        #expect(Health.Question(path: "/health") == .primary)
        #expect(Health.Question(path: "/live") == .live)
        #expect(Health.Question(path: "/primary/") == nil)
        #expect(Health.Question(path: "/writer") == nil)
    }
}
