import NIOCore
import NIOPosix
import PairCore
import PairNet
import PairWire
import Synchronization
import TestThreads
import Testing

@Suite("Pairing: two strangers and a code", .partOfMachine)
struct PairingTests {
    @Test func `makes a pair that both nodes know the same way`() async throws {
        try await withInvitation { invitation in
            let kept = Recorder<PairingResult>()

            let ofJoiner = try await invitation.joiner().join(
                invitation.address,
                code: invitation.inviter.code,
                on: invitation.loop
            ) { kept.record($0) }
            let ofInviter = try await invitation.established()

            #expect(kept.events == [ofJoiner])
            #expect(invitation.kept.events == [ofInviter])
            #expect(ofJoiner.pair == ofInviter.pair)
            #expect(ofJoiner.pair == invitation.inviter.pair)
            #expect(ofJoiner.fingerprint == ofInviter.fingerprint)
            #expect(ofJoiner.ownBit == .one)
            #expect(ofInviter.ownBit == .zero)
            #expect(ofJoiner.keyPin == invitation.node.identity.keyPin)
            #expect(ofInviter.keyPin == invitation.other.keyPin)
            #expect(ofJoiner.signingKey == invitation.node.identity.signingKey)
            #expect(ofInviter.signingKey == invitation.other.signingKey)
            #expect(ofJoiner.name == "ams-1")
            #expect(ofInviter.name == "nyc-1")
            #expect(ofJoiner.address == invitation.address)
            #expect(ofInviter.address == PeerAddress(host: "127.0.0.1", port: 5022))
        }
    }

    @Test func `is over after one success`() async throws {
        try await withInvitation { invitation in
            let code = invitation.inviter.code
            _ = try await invitation.joiner().join(
                invitation.address,
                code: code,
                on: invitation.loop
            ) { _ in }
            _ = try await invitation.established()

            await #expect(
                throws: PairingError.unreachable(.refusedThere(.noInvitation))
            ) {
                _ = try await invitation.joiner(as: Identity.ephemeral()).join(
                    invitation.address,
                    code: code,
                    on: invitation.loop
                ) { _ in }
            }
        }
    }

    @Test func `burns the code at the third wrong try, and says so to both sides`() async throws {
        try await withInvitation { invitation in
            let wrong = try #require(PairingCode(bytes: Array(repeating: 1, count: 15)))
            var told: [PairingError] = []
            for _ in 0..<3 {
                do throws(PairingError) {
                    _ = try await invitation.joiner().join(
                        invitation.address,
                        code: wrong,
                        on: invitation.loop
                    ) { _ in Issue.record("a candidate was kept") }
                } catch { told.append(error) }
            }

            #expect(
                told == [2, 1, 0].map { .refusedThere(.wrongCode(triesLeft: $0)) }
            )
            try await invitation.events.wait(for: "the burning") { events in
                events.contains { if case .burned = $0 { true } else { false } }
            }
            await #expect(throws: PairingError.unreachable(.refusedThere(.noInvitation))) {
                _ = try await invitation.joiner().join(
                    invitation.address,
                    code: invitation.inviter.code,
                    on: invitation.loop
                ) { _ in }
            }
            #expect(invitation.kept.events.isEmpty)
        }
    }

    @Test func `fails when somebody in the middle ends TLS with another key`() async throws {
        try await withInvitation { invitation in
            let interceptor = try await Interceptor(
                before: invitation.node.port,
                as: Identity.ephemeral()
            )

            await #expect(throws: PairingError.refusedThere(.wrongCode(triesLeft: 2))) {
                _ = try await invitation.joiner().join(
                    PeerAddress(host: "127.0.0.1", port: interceptor.port),
                    code: invitation.inviter.code,
                    on: invitation.loop
                ) { _ in Issue.record("a candidate was kept") }
            }

            try await invitation.events.wait(for: "a failed code") { events in
                events.contains { if case .codeFailed(_, 2) = $0 { true } else { false } }
            }
            #expect(invitation.kept.events.isEmpty)
            try await interceptor.stop()
        }
    }

    @Test func `ends by itself when its time is over`() async throws {
        try await withInvitation(lifetime: .milliseconds(50)) { invitation in
            try await invitation.events.wait(for: "the expiry") { events in
                events.contains { if case .expired = $0 { true } else { false } }
            }

            await #expect(throws: PairingError.unreachable(.refusedThere(.noInvitation))) {
                _ = try await invitation.joiner().join(
                    invitation.address,
                    code: invitation.inviter.code,
                    on: invitation.loop
                ) { _ in }
            }
        }
    }

    @Test func `does not pair a node with itself`() async throws {
        try await withInvitation { invitation in
            await #expect(throws: PairingError.refusedHere(.ownKey)) {
                _ = try await invitation.joiner(as: invitation.node.identity).join(
                    invitation.address,
                    code: invitation.inviter.code,
                    on: invitation.loop
                ) { _ in }
            }
        }
    }

    @Test func `refuses another model and names both, to both`() async throws {
        try await withInvitation { invitation in
            var joiner = invitation.joiner()
            joiner.party.model = "VA-200"
            let refusal = PairingRefusal.modelMismatch(inviter: "VA-100", joiner: "VA-200")

            await #expect(throws: PairingError.refusedThere(refusal)) {
                _ = try await joiner.join(
                    invitation.address,
                    code: invitation.inviter.code,
                    on: invitation.loop
                ) { _ in Issue.record("a candidate was kept") }
            }

            let error = try await invitation.events.first("the failure") { event in
                if case .failed(_, let error) = event { error } else { nil }
            }
            #expect(error == .refusedHere(refusal))
            #expect(refusal.description.contains("VA-100"))
            #expect(refusal.description.contains("VA-200"))
        }
    }

    @Test func `refuses pages of another size, but takes a node without a vault`() async throws {
        try await withInvitation { invitation in
            var joiner = invitation.joiner()
            joiner.party.pageSize = PageSize(byteCount: 8192)

            await #expect(
                throws: PairingError.refusedThere(.pageSizeMismatch(inviter: 4096, joiner: 8192))
            ) {
                _ = try await joiner.join(
                    invitation.address,
                    code: invitation.inviter.code,
                    on: invitation.loop
                ) { _ in }
            }
            // A refusal that is not about the code leaves the code as it was.
            joiner.party.pageSize = nil
            let result = try await joiner.join(
                invitation.address,
                code: invitation.inviter.code,
                on: invitation.loop
            ) { _ in }

            #expect(result.pageSize?.byteCount == 4096)
        }
    }

    @Test func `tells the inviter to keep the joiner only after the joiner has kept its candidate`()
        async throws
    {
        try await withInvitation { invitation in
            await #expect(throws: PairingError.refusedHere(.declined(reason: "disk full"))) {
                _ = try await invitation.joiner().join(
                    invitation.address,
                    code: invitation.inviter.code,
                    on: invitation.loop
                ) { _ throws(PairingRefusal) in throw .declined(reason: "disk full") }
            }

            let error = try await invitation.events.first("the failure") { event in
                if case .failed(_, let error) = event { error } else { nil }
            }
            #expect(error == .refusedThere(.declined(reason: "disk full")))
            #expect(invitation.kept.events.isEmpty)
        }
    }

    @Test func `does not confirm what the inviter could not keep`() async throws {
        let refusal = PairingRefusal.declined(reason: "disk full")
        try await withInvitation(refusing: refusal) { invitation in
            await #expect(throws: PairingError.refusedThere(refusal)) {
                _ = try await invitation.joiner().join(
                    invitation.address,
                    code: invitation.inviter.code,
                    on: invitation.loop
                ) { _ in }
            }
        }
    }

    @Test func `gives a silent joiner its time and no more, and its silence costs no try`()
        async throws
    {
        try await withInvitation(patience: .seconds(2)) { invitation in
            let silent = try await RawPeer(
                connectingTo: invitation.node.port,
                as: Identity.ephemeral()
            )
            silent.send(invitation.opening())
            #expect(try await silent.envelope(0).type == Opening.envelopeType)

            try await silent.waitForEnd()

            let error = try await invitation.events.first("the failure") { event in
                if case .failed(_, let error) = event { error } else { nil }
            }
            #expect(error == .timedOut)
            _ = try await invitation.joiner().join(
                invitation.address,
                code: invitation.inviter.code,
                on: invitation.loop
            ) { _ in }
        }
    }

    @Test func `hangs up on messages out of turn`() async throws {
        try await withInvitation { invitation in
            for message: PairingMessage in [
                .proof([UInt8](repeating: 0, count: 32)), .candidateKept, .memberKept,
            ] {
                let rude = try await RawPeer(
                    connectingTo: invitation.node.port,
                    as: Identity.ephemeral()
                )
                rude.send(invitation.opening())
                rude.send(message.envelope())

                try await rude.waitForEnd()
            }

            let errors = try await invitation.events.wait(for: "three failures") { $0.count == 3 }
                .compactMap { event -> PairingError? in
                    if case .failed(_, let error) = event { error } else { nil }
                }
            #expect(errors == Array(repeating: .unexpectedMessage, count: 3))
            #expect(invitation.kept.events.isEmpty)
        }
    }

    @Test func `lets strangers in for nothing but pairing`() async throws {
        try await withInvitation { invitation in
            let stranger = try await RawPeer(
                connectingTo: invitation.node.port,
                as: Identity.ephemeral()
            )

            stranger.send(invitation.opening(.log))

            let answer = try await stranger.envelope(0)
            #expect(answer == Envelope(type: 2, payload: OpeningRefusal.notThePeer.encoded()))
            try await stranger.waitForEnd()
        }
    }
}

/// An open invitation on a real node, and what it takes to follow it.
private struct Invitation {
    let node: LinkedNode
    let other: Identity
    let inviter: PairingInviter
    let events: Recorder<PairingInviter.Event>
    let kept: Recorder<PairingResult>
    let loop: any EventLoop

    var address: PeerAddress { self.node.address }

    func joiner(as identity: Identity? = nil) -> PairingJoiner {
        PairingJoiner(
            party: PairingParty(
                identity: identity ?? self.other,
                node: NodeID(high: 0, low: 21),
                incarnation: 1,
                name: "nyc-1",
                model: "VA-100",
                pageSize: PageSize(byteCount: 4096),
                engineVersion: "3.40.1",
                port: 5022
            )
        )
    }

    func established() async throws -> PairingResult {
        try await self.events.first("the pair") { event in
            if case .established(let result) = event { result } else { nil }
        }
    }

    func opening(_ purpose: ConnectionPurpose = .pair) -> Envelope {
        Envelope(
            type: Opening.envelopeType,
            payload: Opening(
                versions: .supported,
                purpose: purpose,
                node: NodeID(high: 0, low: 22),
                pair: .none,
                incarnation: 1,
                nonce: Array(repeating: 3, count: 32)
            ).encoded()
        )
    }
}

private func withInvitation(
    lifetime: Duration = .seconds(60),
    patience: Duration = .seconds(10),
    refusing refusal: PairingRefusal? = nil,
    _ body: (Invitation) async throws -> Void
) async throws {
    let node = try await LinkedNode(20)
    let events = Recorder<PairingInviter.Event>()
    let kept = Recorder<PairingResult>()
    var limits = PairingInviter.Limits()
    limits.lifetime = lifetime
    limits.patience = patience
    let inviter = try PairingInviter(
        party: PairingParty(
            identity: node.identity,
            node: node.id,
            incarnation: 1,
            name: "ams-1",
            model: "VA-100",
            pageSize: PageSize(byteCount: 4096),
            engineVersion: "3.40.1",
            port: UInt16(node.port)
        ),
        link: node.link,
        limits: limits,
        keeping: { result throws(PairingRefusal) in
            if let refusal { throw refusal }
            kept.record(result)
        },
        observing: { events.record($0) }
    )
    inviter.open()
    do {
        try await body(
            Invitation(
                node: node,
                other: try Identity.ephemeral(),
                inviter: inviter,
                events: events,
                kept: kept,
                loop: MultiThreadedEventLoopGroup.singleton.next()
            )
        )
    } catch {
        try await node.link.stop()
        throw error
    }
    try await node.link.stop()
}
