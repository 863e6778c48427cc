import NIOCore
import NIOPosix
import PairCore
import PairNet
import PairWire
import TestThreads
import Testing

@Suite("Peer link: two nodes that are paired", .partOfMachine)
struct PeerLinkTests {
    @Test func `comes to rest on one connection for each purpose, the same on both sides`()
        async throws
    {
        let both = Recorder<(NodeID, LinkedNode.Event)>()
        try await withPair(reportingTo: both) { zero, one in
            let (idOfZero, idOfOne) = (zero.id, one.id)

            let events = try await both.wait(for: "agreement") { events in
                let ofZero = LinkedNode.open(after: events.filter { $0.0 == idOfZero }.map(\.1))
                let ofOne = LinkedNode.open(after: events.filter { $0.0 == idOfOne }.map(\.1))
                return ofZero.count == 3 && ofOne.count == 3
                    && ofZero.allSatisfy { $0.value.remote == ofOne[$0.key]?.own }
                    && ofOne.allSatisfy { $0.value.remote == ofZero[$0.key]?.own }
            }

            let open = LinkedNode.open(after: events.filter { $0.0 == idOfZero }.map(\.1))
            #expect(Set(open.keys) == Set(ConnectionPurpose.lasting))
        }
    }

    @Test func `lets node 0's connection take the place of node 1's, and not the reverse`()
        async throws
    {
        let both = Recorder<(NodeID, LinkedNode.Event)>()
        try await withPair(zeroDials: false, reportingTo: both) { zero, one in
            try await zero.connections()
            try await one.connections()
            let byOne = try #require(LinkedNode.open(after: one.events.events)[.control])
            // Node 0 loses its end and dials at once; node 1 still believes in the old connection.
            zero.link.setPeer(one.asPeer(of: .zero))
            let ofZero = try #require(LinkedNode.open(after: zero.events.events)[.control])
            ofZero.close()

            let (idOfZero, idOfOne) = (zero.id, one.id)
            try await both.wait(for: "agreement") { events in
                let ofZero = LinkedNode.open(after: events.filter { $0.0 == idOfZero }.map(\.1))
                let ofOne = LinkedNode.open(after: events.filter { $0.0 == idOfOne }.map(\.1))
                return ofOne[.control] != byOne && ofZero[.control] != nil
                    && ofZero[.control]?.remote == ofOne[.control]?.own
                    && ofOne[.control]?.remote == ofZero[.control]?.own
            }
        }
    }

    @Test func `delivers messages whole, in order and on the connection they were sent on`()
        async throws
    {
        try await withPair(oneDials: false) { zero, one in
            let log = try #require(try await zero.connections()[.log])
            try await one.connections()
            let sizes = [0, 1, 11, 12, 13, 16_383, 16_384, 16_385, 300_000, Envelope.payloadLimit]
            let payloads = sizes.map { size in (0..<size).map { UInt8(truncatingIfNeeded: $0) } }

            for (number, payload) in payloads.enumerated() {
                #expect(log.send(type: UInt8(20 + number), payload: payload))
            }

            let events = try await one.events.wait(for: "all messages") { events in
                events.count { if case .message = $0 { true } else { false } } == sizes.count
            }
            var received: [(UInt8, [UInt8])] = []
            for case .message(let connection, let type, let payload) in events {
                #expect(connection.purpose == .log)
                received.append((type, payload))
            }
            #expect(received.map(\.0) == (0..<sizes.count).map { UInt8(20 + $0) })
            #expect(received.map(\.1) == payloads)
        }
    }

    @Test(arguments: [NodeBit.zero, .one])
    func `connects when only one node can dial`(dialler: NodeBit) async throws {
        try await withPair(zeroDials: dialler == .zero, oneDials: dialler == .one) { zero, one in
            let ofZero = try await zero.connections()
            let ofOne = try await one.connections()

            #expect(ofZero.values.allSatisfy { $0.isDialled == (dialler == .zero) })
            #expect(ofOne.values.allSatisfy { $0.isDialled == (dialler == .one) })
        }
    }

    @Test func `finds the peer at its second address`() async throws {
        try await withPair(zeroDials: false, oneDials: false) { zero, one in
            let nobody = try await LinkedNode(99)
            try await nobody.link.stop()
            zero.link.setPeer(one.asPeer(of: .zero, at: [nobody.address, one.address]))

            let connections = try await zero.connections()

            #expect(connections.values.allSatisfy { $0.isDialled })
        }
    }

    @Test func `takes in a peer that was restarted, and says that the old connections ended`()
        async throws
    {
        let zero = try await LinkedNode(10)
        let one = try await LinkedNode(11)
        zero.link.setPeer(one.asPeer(of: .zero))
        one.link.setPeer(zero.asPeer(of: .one))
        try await zero.connections()
        try await one.connections()

        try await one.link.stop()
        let reborn = try await LinkedNode(
            11,
            identity: one.identity,
            incarnation: 2,
            port: one.port
        )
        reborn.link.setPeer(zero.asPeer(of: .one))

        let events = try await zero.events.wait(for: "the second incarnation") { events in
            let open = LinkedNode.open(after: events)
            return open.count == 3 && open.values.allSatisfy { $0.remote.incarnation == 2 }
        }
        let ended = events.count { if case .disconnected = $0 { true } else { false } }
        #expect(ended >= 3)
        try await zero.link.stop()
        try await reborn.link.stop()
    }

    @Test func `ends its connections when the pin changes, and lets the old key in no more`()
        async throws
    {
        try await withPair { zero, one in
            try await zero.connections()
            let other = try Identity.ephemeral()
            var changed = one.asPeer(of: .zero, at: [])
            changed.pin = other.keyPin

            zero.link.setPeer(changed)

            try await zero.events.wait(for: "the end of all") { events in
                LinkedNode.open(after: events).isEmpty
                    && events.contains {
                        if case .disconnected(_, .peerChanged) = $0 { true } else { false }
                    }
            }
            let refusal = try await zero.events.first("a refusal") { event -> KeyRefusal? in
                guard case .refused(.opening(.tls(.refusedKey(let refusal)))) = event else {
                    return nil
                }
                return refusal
            }
            #expect(refusal == .notPinned(one.identity.keyPin))
            #expect(LinkedNode.open(after: zero.events.events).isEmpty)
        }
    }

    @Test func `refuses a node of another pair that has the right key`() async throws {
        try await withPair { zero, one in
            var wrong = zero.asPeer(of: .one)
            wrong.pair = PairID(high: 8, low: 8)
            zero.link.setPeer(one.asPeer(of: .zero, at: []))
            one.link.setPeer(wrong)

            let failure = try await one.events.first("a failure") { event in
                if case .dialFailed(_, _, .refusedThere(let refusal)) = event {
                    refusal
                } else {
                    nil
                }
            }

            #expect(failure == .otherPair)
        }
    }

    @Test func `refuses to talk to itself`() async throws {
        let node = try await LinkedNode(10)
        node.link.setPeer(
            PeerLink.Peer(
                pair: LinkedNode.pair,
                node: NodeID(high: 0, low: 11),
                pin: node.identity.keyPin,
                ownBit: .zero,
                addresses: [node.address]
            )
        )

        let refusal = try await node.events.first("a refusal") { event -> KeyRefusal? in
            guard case .dialFailed(_, _, .tls(.refusedKey(let refusal))) = event else { return nil }
            return refusal
        }

        #expect(refusal == .ownKey)
        #expect(LinkedNode.open(after: node.events.events).isEmpty)
        try await node.link.stop()
    }

    @Test func `has no version in common with a peer that is below the pair's minimum`()
        async throws
    {
        try await withPair { zero, one in
            var modern = one.asPeer(of: .zero, at: [])
            modern.minimumProtocol = 2
            zero.link.setPeer(modern)

            try await zero.events.wait(for: "a refusal") { events in
                events.contains {
                    if case .refused(.opening(.refusedHere(.noCommonVersion))) = $0 {
                        true
                    } else {
                        false
                    }
                }
            }
        }
    }

    @Test func `says when there is no room, and when there is room again`() async throws {
        try await withPair(oneDials: false) { configuration in
            configuration.highWatermark = 1 << 20
        } _: { zero, one in
            let sender = try #require(try await zero.connections()[.log])
            let receiver = try #require(try await one.connections()[.log])
            receiver.pauseReading()
            let payload = [UInt8](repeating: 7, count: 1 << 20)

            // Far more than the kernel buffers of both ends together.
            for _ in 0..<32 { sender.send(type: 16, payload: payload) }
            #expect(!sender.isWritable)
            #expect(sender.bytesInFlight > 1 << 20)
            receiver.resumeReading()

            try await one.events.wait(for: "32 messages") { events in
                events.count { if case .message = $0 { true } else { false } } == 32
            }
            try await zero.events.wait(for: "room") { events in
                events.contains { if case .writable = $0 { true } else { false } }
            }
            #expect(sender.isWritable)
        }
    }
}
