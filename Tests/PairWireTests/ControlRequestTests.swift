import Foundation
import PairCore
import PairWire
import Testing

@Suite("The control socket's lines")
struct ControlRequestTests {
    static let requests = [
        ControlRequest(.status, timeout: .seconds(10)),
        ControlRequest(.initialize(.init(confirm: "nyc-1"))),
        ControlRequest(.pairInvite(.init(ttlSeconds: 600))),
        ControlRequest(.pairJoin(.init(address: "10.0.0.1:5022", code: "secret"))),
        ControlRequest(.pairShow), ControlRequest(.pairRemove(.init(wipeKeys: true))),
        ControlRequest(
            .enableHA(.init(wait: true, discardPeerVault: true, confirm: "b")),
            dryRun: true
        ),
        ControlRequest(.disableHA(.init(wait: false, force: true, confirm: nil))),
        ControlRequest(.switchover),
        ControlRequest(.promote(.init(force: true, confirm: "a", reason: "fire"))),
        ControlRequest(.suspend(.init(seconds: 60))), ControlRequest(.resume),
        ControlRequest(.resolve(.init(keep: "a", reason: "money"))), ControlRequest(.tailList),
        ControlRequest(.tailShow(.init(id: "t1"))), ControlRequest(.tailExport(.init(id: "t1"))),
        ControlRequest(.tailDiscard(.init(id: "t1", confirm: "b"))),
        ControlRequest(.verify(.init(full: true))), ControlRequest(.wait(.init(level: .applied))),
        ControlRequest(.history), ControlRequest(.events(.init(follow: true))),
    ]

    @Test(arguments: requests)
    func `say what was asked`(request: ControlRequest) throws {
        let line = try JSONEncoder().encode(request)

        #expect(try JSONDecoder().decode(ControlRequest.self, from: line) == request)
        #expect(!line.contains(UInt8(ascii: "\n")))
    }

    @Test func `name every verb`() {
        #expect(Set(Self.requests.map(\.command.verb)) == Set(ControlVerb.allCases))
    }

    @Test func `are refused with an unknown verb or without what belongs to it`() {
        for line in [
            #"{"verb":"dance"}"#, #"{"verb":"pairJoin"}"#, #"{"verb":"suspend","parameters":{}}"#,
        ] {
            #expect(throws: DecodingError.self) {
                try JSONDecoder().decode(ControlRequest.self, from: Data(line.utf8))
            }
        }
    }

    @Test func `tell progress apart from the end`() throws {
        typealias Reply = ControlReply<PairInvitation>
        let invitation = PairInvitation(
            code: "A",
            address: "h:1",
            fingerprint: "f",
            expiresAt: WallTime(secondsSince1970: 0)
        )
        let replies: [Reply] = [
            .progress(ControlProgress("copying", doneBytes: 1, totalBytes: 2)),
            .final(ControlOutcome(.done, payload: invitation)),
            .final(ControlOutcome(.refused, message: "no: a safety rule")),
        ]

        for reply in replies {
            let line = try JSONEncoder().encode(reply)
            #expect(try JSONDecoder().decode(Reply.self, from: line) == reply)
        }
        let end = #"{"exitCode":12,"message":"in doubt"}"#
        #expect(
            try JSONDecoder().decode(Reply.self, from: Data(end.utf8))
                == .final(ControlOutcome(.inDoubt, message: "in doubt"))
        )
    }
}

@Suite("The status report's JSON")
struct StatusReportCodingTests {
    private func report() -> StatusReport {
        StatusReport(
            generatedAt: WallTime(millisecondsSince1970: 1_793_589_247_250),
            verdict: .unpaired,
            reasons: ["this node has no peer"],
            next: nil,
            lab: true,
            pair: StatusReport.Pair(id: nil, name: "pair", epoch: .none, policy: .available),
            local: StatusReport.Node(name: "a", id: NodeID(high: 1, low: 2), model: "unknown"),
            peer: StatusReport.Peer(
                node: StatusReport.Node(
                    name: "b",
                    id: NodeID(high: 3, low: 4),
                    model: "unknown",
                    role: .secondary,
                    state: .lookingForPeer,
                    position: .start
                ),
                address: "h:1",
                lastHeard: nil
            ),
            replication: StatusReport.Replication(),
            failover: StatusReport.Failover(timeout: .seconds(840), heartbeat: .seconds(130))
        )
    }

    private func keys(_ value: Any?) -> Set<String> {
        Set((value as? [String: Any])?.keys.map { $0 } ?? [])
    }

    @Test func `has every key of the contract, also where nothing is known`() throws {
        let bytes = try JSONEncoder().encode(self.report())
        let object = try #require(
            JSONSerialization.jsonObject(with: bytes) as? [String: Any]
        )

        #expect(
            self.keys(object) == [
                "apiVersion", "generatedAt", "verdict", "reasons", "next", "lab", "pair", "local",
                "peer", "replication", "failover", "seed", "operation", "tails", "lineage",
                "lastChange",
            ]
        )
        let node: Set<String> = [
            "name", "id", "model", "version", "role", "state", "gate", "right", "position",
            "bootId", "guard", "longestWriteHoldSeconds",
        ]
        #expect(self.keys(object["pair"]) == ["id", "name", "epoch", "policy"])
        #expect(self.keys(object["local"]) == node)
        #expect(self.keys(object["peer"]) == node.union(["address", "lastHeardSeconds"]))
        let peer = object["peer"] as? [String: Any]
        #expect(self.keys(peer?["position"]) == ["epoch", "txid", "digest"])
        #expect(
            self.keys(object["replication"]).isSuperset(of: [
                "lagTransactions", "lagBytes", "lagSeconds", "unprotectedTransactions",
                "unprotectedBytes", "digestEqualAt", "lastVerifyAt",
            ])
        )
        #expect(
            self.keys(object["failover"]).isSuperset(of: [
                "timeoutSeconds", "heartbeatSeconds", "secondsUntilPromotion",
                "secondsUntilGateCloses", "conditions", "blockers", "suspendedUntil",
            ])
        )
        #expect(object["next"] is NSNull)
        #expect(object["generatedAt"] as? String == "2026-11-02T03:14:07.250Z")
        #expect(peer?["state"] as? String == "looking-for-peer")
    }

    @Test func `reads back as what was written`() throws {
        let bytes = try JSONEncoder().encode(self.report())

        #expect(try JSONDecoder().decode(StatusReport.self, from: bytes) == self.report())
    }

    @Test func `still reads when an older daemon leaves keys out`() throws {
        let bytes = try JSONEncoder().encode(self.report())
        var object = try #require(
            JSONSerialization.jsonObject(with: bytes) as? [String: Any]
        )
        object["seed"] = nil
        object["next"] = nil
        let shorter = try JSONSerialization.data(withJSONObject: object)

        #expect(try JSONDecoder().decode(StatusReport.self, from: shorter) == self.report())
    }
}
