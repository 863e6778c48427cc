import Foundation
import NIOCore
import NIOPosix
import PairCore
import PairNet
import PairWire
import TestThreads
import Testing

@Suite("TLS: who is not let in, before any byte is heard", .partOfMachine)
struct TLSTests {
    /// What a client that OpenSSL's own tool plays tries, and why it fails.
    struct Attempt: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let arguments: [String]
        let isRefusal: @Sendable (PeerLink.ConnectionRefusal) -> Bool

        static let alpn = ["-alpn", "paird/1"]
        static let certificate = ["-cert", "CERT", "-key", "KEY"]

        static let all: [Attempt] =
            ["-tls1_2", "-tls1_1", "-tls1"].map { version in
                Attempt(
                    testDescription: version,
                    arguments: [version] + alpn + certificate,
                    isRefusal: Self.isHandshakeFailure
                )
            } + [
                Attempt(
                    testDescription: "no certificate",
                    arguments: alpn,
                    isRefusal: Self.isHandshakeFailure
                ),
                Attempt(testDescription: "a stranger's key", arguments: alpn + certificate) {
                    if case .opening(.tls(.refusedKey(.notPinned))) = $0 { true } else { false }
                },
                Attempt(
                    testDescription: "another protocol",
                    arguments: ["-alpn", "h2"] + certificate,
                    isRefusal: Self.isHandshakeFailure
                ),
                Attempt(
                    testDescription: "no protocol",
                    arguments: certificate + ["-tls1_3"],
                    // Its key is judged first.
                    isRefusal: {
                        if case .opening(.tls(.refusedKey(.notPinned))) = $0 { true } else { false }
                    }
                ),
            ]

        private static func isHandshakeFailure(_ refusal: PeerLink.ConnectionRefusal) -> Bool {
            switch refusal {
            // A tool that refuses the version by itself hangs up at once.
            case .opening(.tls(.handshakeFailed)), .opening(.tls(.closedDuringHandshake)): true
            default: false
            }
        }
    }

    @Test(arguments: Attempt.all)
    func `refuses`(attempt: Attempt) async throws {
        try await withPair { zero, one in
            try await zero.connections()
            let before = zero.events.events.count
            let output = try await self.client(attempt.arguments, port: zero.port)

            let events = try await zero.events.wait(for: "a refusal") { events in
                events.contains {
                    if case .refused(let refusal) = $0 { attempt.isRefusal(refusal) } else { false }
                }
            }

            #expect(!output.contains("hello from paird"))
            for case .message in events.dropFirst(before) { Issue.record("heard a stranger") }
            #expect(LinkedNode.open(after: events).count == 3)
        }
    }

    @Test func `says how every handshake ended, once`() async throws {
        try await withPair(oneDials: false) { zero, one in
            try await zero.connections()
            try await one.connections()
            func results(_ node: LinkedNode) -> [HandshakeResult] {
                node.events.events.compactMap { event in
                    if case .handshake(let result) = event { result } else { nil }
                }
            }
            #expect(results(zero) == [.done, .done, .done])
            #expect(results(one) == [.done, .done, .done])

            let stranger = try await RawPeer(connectingTo: one.port, as: Identity.ephemeral())
            _ = try await one.events.first("a refusal") { event in
                if case .refused(let refusal) = event { refusal } else { nil }
            }

            #expect(results(one) == [.done, .done, .done, .keyRefused])
            stranger.close()
        }
    }

    @Test func `refuses the right key without our protocol`() async throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "pair-tls-\(UUID().uuidString)")
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(at: folder) } }
        let identity = try Identity.load(from: folder.path(), creatingMissingKeys: true)
        let zero = try await LinkedNode(10)
        let one = try await LinkedNode(11, identity: identity)
        zero.link.setPeer(one.asPeer(of: .zero, at: []))

        _ = try await self.client(
            ["-cert", folder.path() + "/tls.crt", "-key", folder.path() + "/tls.key"],
            port: zero.port
        )

        let refusal = try await zero.events.first("a refusal") { event in
            if case .refused(let refusal) = event { refusal } else { nil }
        }
        #expect(refusal == .opening(.tls(.wrongApplicationProtocol)))
        try await zero.link.stop()
        try await one.link.stop()
    }

    @Test func `gives no ticket and takes no early data`() async throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "pair-tls-\(UUID().uuidString)")
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(at: folder) } }
        let identity = try Identity.load(from: folder.path(), creatingMissingKeys: true)
        let zero = try await LinkedNode(10)
        let one = try await LinkedNode(11, identity: identity)
        zero.link.setPeer(one.asPeer(of: .zero, at: []))

        let output = try await self.client(
            [
                "-cert", folder.path() + "/tls.crt", "-key", folder.path() + "/tls.key", "-alpn",
                "paird/1", "-msg",
            ],
            port: zero.port
        )

        #expect(output.contains("TLSv1.3"))
        #expect(output.contains("ALPN protocol: paird/1"))
        #expect(!output.contains("NewSessionTicket"))
        #expect(output.contains("Reused") == false)
        try await zero.link.stop()
        try await one.link.stop()
    }

    @Test func `cuts whoever says something else than TLS`() async throws {
        let node = try await LinkedNode(10)
        let garbage = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: node.port).get()

        garbage.writeAndFlush(
            ByteBuffer(bytes: (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 7) }),
            promise: nil
        )

        let failure = try await node.events.first("a refusal") { event in
            if case .refused(.opening(let failure)) = event { failure } else { nil }
        }
        guard case .tls(.handshakeFailed(let reason)) = failure else {
            Issue.record("\(failure)")
            return
        }
        #expect(reason.alert == nil)
        try await garbage.closeFuture.get()
        try await node.link.stop()
    }

    @Test func `cuts whoever says nothing at all`() async throws {
        let node = try await LinkedNode(10) { configuration in
            configuration.timing.handshake = .milliseconds(200)
        }
        let silent = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: node.port).get()

        try await silent.closeFuture.get()

        let failure = try await node.events.first("a refusal") { event in
            if case .refused(.opening(let failure)) = event { failure } else { nil }
        }
        #expect(failure == .tls(.handshakeTimedOut))
        try await node.link.stop()
    }

    @Test func `cuts the peer when it does not say in time what it wants`() async throws {
        let peer = try Identity.ephemeral()
        let node = try await LinkedNode(10) { configuration in
            configuration.timing.firstMessage = .milliseconds(200)
        }
        node.link.setPeer(self.peer(peer))

        let silent = try await RawPeer(connectingTo: node.port, as: peer)

        try await silent.waitForEnd()
        let failure = try await node.events.first("a refusal") { event in
            if case .refused(.opening(let failure)) = event { failure } else { nil }
        }
        #expect(failure == .timedOut)
        try await node.link.stop()
    }

    @Test func `cuts the peer when its bytes are not envelopes`() async throws {
        let peer = try Identity.ephemeral()
        let node = try await LinkedNode(10)
        node.link.setPeer(self.peer(peer))
        let opening = Opening(
            versions: .supported,
            purpose: .heartbeat,
            node: NodeID(high: 0, low: 11),
            pair: LinkedNode.pair,
            incarnation: 1,
            nonce: Array(repeating: 1, count: 32)
        )
        let raw = try await RawPeer(connectingTo: node.port, as: peer)
        raw.send(Envelope(type: Opening.envelopeType, payload: opening.encoded()))
        _ = try await raw.envelope(0)
        var flipped = Envelope(type: 16, payload: [1, 2, 3]).encoded()
        flipped[13] ^= 1

        raw.send(Envelope(type: 16, payload: [9]))
        raw.send(flipped)
        raw.send(Envelope(type: 16, payload: [10]))

        try await raw.waitForEnd()
        let reason = try await node.events.first("the end") { event in
            if case .disconnected(_, let reason) = event { reason } else { nil }
        }
        guard case .envelope(.wrongChecksum) = reason else {
            Issue.record("\(reason)")
            return
        }
        let heard = node.events.events.compactMap { event -> [UInt8]? in
            if case .message(_, _, let payload) = event { payload } else { nil }
        }
        #expect(heard == [[9]])
        try await node.link.stop()
    }

    private func peer(_ identity: Identity) -> PeerLink.Peer {
        PeerLink.Peer(
            pair: LinkedNode.pair,
            node: NodeID(high: 0, low: 11),
            pin: identity.keyPin,
            ownBit: .zero,
            addresses: []
        )
    }

    /// Runs `openssl s_client` with a key of its own until the server hangs up.
    private func client(_ arguments: [String], port: Int) async throws -> String {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "pair-client-\(UUID().uuidString)")
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(at: folder) } }
        _ = try Identity.load(from: folder.path(), creatingMissingKeys: true)
        let arguments = arguments.map { argument in
            switch argument {
            case "CERT": folder.path() + "/tls.crt"
            case "KEY": folder.path() + "/tls.key"
            default: argument
            }
        }
        return try await output(
            of: "openssl",
            ["s_client", "-connect", "127.0.0.1:\(port)", "-ign_eof"] + arguments
        )
    }
}

/// Runs a program with an empty input to its end, and returns all that it said.
func output(of program: String, _ arguments: [String]) async throws -> String {
    // Waiting blocks a thread, which must not be one of those that all tests share.
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread {
            continuation.resume(with: Result { try blockingOutput(of: program, arguments) })
        }
    }
}

private func blockingOutput(of program: String, _ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["timeout", "15", program] + arguments
    let pipe = Pipe()
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return String(decoding: data, as: UTF8.self)
}
