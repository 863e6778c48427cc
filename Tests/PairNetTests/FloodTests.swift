import NIOCore
import NIOPosix
import PairCore
import PairNet
import PairWire
import TestThreads
import Testing

@Suite("Peer link: under a flood of strangers", .partOfMachine)
struct FloodTests {
    @Test func `serves the peer's connections while strangers hold every slot`() async throws {
        try await withPair(oneDials: false) { zero, one in
            let heartbeat = try #require(try await zero.connections()[.heartbeat])
            try await one.connections()
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            var strangers: [any Channel] = []
            for _ in 0..<300 {
                strangers.append(
                    try await ClientBootstrap(group: loop)
                        .connect(host: "127.0.0.1", port: one.port).get()
                )
            }
            try await one.events.wait(for: "refusals") { events in
                events.count { if case .refused(.admission) = $0 { true } else { false } } >= 200
            }

            for number in 0..<100 as Range<UInt8> {
                heartbeat.send(type: 16, payload: [number])
            }

            let events = try await one.events.wait(for: "100 heartbeats") { events in
                events.count { if case .message = $0 { true } else { false } } == 100
            }
            #expect(LinkedNode.open(after: events).count == 3)
            let lost = events.count { if case .disconnected = $0 { true } else { false } }
            #expect(lost == 0)
            for stranger in strangers where stranger.isActive { stranger.close(promise: nil) }
        }
    }

    @Test func `sends from many threads, each in its own order`() async throws {
        try await withPair(oneDials: false) { zero, one in
            let log = try #require(try await zero.connections()[.log])
            try await one.connections()

            await withTaskGroup(of: Void.self) { group in
                for sender in 0..<8 as Range<UInt8> {
                    group.addTask {
                        for number in 0..<250 as Range<UInt8> {
                            log.send(
                                type: 16 + sender,
                                payload: [UInt8](repeating: number, count: Int(number) * 97)
                            )
                        }
                    }
                }
            }

            let events = try await one.events.wait(for: "all messages") { events in
                events.count { if case .message = $0 { true } else { false } } == 2000
            }
            var next = [UInt8](repeating: 0, count: 8)
            for case .message(_, let type, let payload) in events {
                let sender = Int(type) - 16
                let number = next[sender]
                #expect(payload == [UInt8](repeating: number, count: Int(number) * 97))
                next[sender] += 1
            }
            #expect(next == [UInt8](repeating: 250, count: 8))
        }
    }

    @Test func `says which side ended a connection, and connects again`() async throws {
        try await withPair(oneDials: false) { zero, one in
            let first = try #require(try await zero.connections()[.control])
            let firstThere = try #require(try await one.connections()[.control])
            first.send(type: 16, payload: [1])

            first.close()

            let here = try await zero.events.first("the end here") { event in
                if case .disconnected(first, let reason) = event { reason } else { nil }
            }
            let there = try await one.events.first("the end there") { event in
                if case .disconnected(firstThere, let reason) = event { reason } else { nil }
            }
            #expect(here == .closedHere)
            #expect(there == .closedByPeer)
            // What was sent before still went out.
            #expect(
                one.events.events.contains {
                    if case .message(firstThere, 16, [1]) = $0 { true } else { false }
                }
            )
            #expect(!first.send(type: 16, payload: [2]))
            let again = try #require(try await zero.connections()[.control])
            #expect(again != first)
        }
    }
}
