import Foundation
import Glibc
import NIOCore
import NIOPosix
import PairNet
import TestThreads
import Testing

@Suite("Control socket", .partOfMachine)
struct ControlTests {
    private let group = MultiThreadedEventLoopGroup.singleton

    @Test func `answers a request with lines, and tells who asked`() async throws {
        try await self.withServer { exchange in
            exchange.reply(Array("you said ".utf8) + exchange.request)
            exchange.reply(Array("uid \(exchange.caller.userID)".utf8))
            exchange.reply(Array("pid \(exchange.caller.processID)".utf8))
            exchange.reply(
                Array("groups \(exchange.caller.groups.sorted().map(String.init))".utf8)
            )
            exchange.finish()
        } _: { path in
            let lines = try await ControlClient(path: path).ask(Array("status".utf8))

            var groups = [gid_t](repeating: 0, count: 256)
            let count = getgroups(Int32(groups.count), &groups)
            let own = groups.prefix(Int(count)).sorted().map(String.init)
            #expect(
                lines.map { String(decoding: $0, as: UTF8.self) } == [
                    "you said status", "uid \(geteuid())", "pid \(getpid())", "groups \(own)",
                ]
            )
        }
    }

    @Test func `streams lines as they come`() async throws {
        try await self.withServer { exchange in
            for number in 0..<5000 { exchange.reply(Array("\(number)".utf8)) }
            exchange.finish()
        } _: { path in
            var count = 0
            try await ControlClient(path: path).ask(Array("events".utf8)) { line in
                #expect(line == Array("\(count)".utf8))
                count += 1
            }
            #expect(count == 5000)
        }
    }

    @Test func `notices that the caller has gone`() async throws {
        let gone = Recorder<Void>()
        try await self.withServer { exchange in
            exchange.reply(Array("first".utf8))
            exchange.closed.whenComplete { _ in gone.record(()) }
        } _: { path in
            struct Enough: Error {}
            await #expect(throws: Enough.self) {
                try await ControlClient(path: path).ask(Array("events".utf8)) { _ in
                    throw Enough()
                }
            }

            try await gone.wait(for: "the end") { $0.count == 1 }
        }
    }

    @Test(arguments: [(getgid(), 0o660), (nil, 0o600)] as [(UInt32?, Int)])
    func `is open to its group and closed to others`(group: UInt32?, mode: Int) async throws {
        try await self.withFolder { folder in
            let path = folder + "/control.sock"
            let server = ControlServer(path: path, on: self.group) { $0.finish() }
            let listener = try await server.start(owningGroup: group)
            let attributes = try FileManager.default.attributesOfItem(atPath: path)

            #expect(attributes[.posixPermissions] as? Int == mode)
            #expect(!FileManager.default.fileExists(atPath: path + ".new"))
            try await listener.close()
        }
    }

    @Test func `takes the place of a socket that nobody listens on, and of no other`() async throws
    {
        try await self.withFolder { folder in
            let path = folder + "/control.sock"
            let dead = ControlServer(path: path, on: self.group) { $0.finish() }
            try await dead.start().close()
            #expect(FileManager.default.fileExists(atPath: path))

            let alive = try await ControlServer(path: path, on: self.group) { exchange in
                exchange.reply(Array("alive".utf8))
                exchange.finish()
            }.start()
            await #expect(throws: ControlServerError.inUse(path: path)) {
                _ = try await dead.start()
            }

            #expect(try await ControlClient(path: path).ask([1]) == [Array("alive".utf8)])
            try await alive.close()
        }
    }

    @Test func `does not replace what is not a socket`() async throws {
        try await self.withFolder { folder in
            let path = folder + "/control.sock"
            try Data("precious".utf8).write(to: URL(filePath: path))

            await #expect(throws: ControlServerError.self) {
                _ = try await ControlServer(path: path, on: self.group) { $0.finish() }.start()
            }

            #expect(try Data(contentsOf: URL(filePath: path)) == Data("precious".utf8))
        }
    }

    @Test func `tells a daemon that is not there from one that may not be asked`() async throws {
        try await self.withFolder { folder in
            let path = folder + "/control.sock"
            await #expect(throws: ControlClientError.notRunning(path: path)) {
                _ = try await ControlClient(path: path).ask([1])
            }
            let listener = try await ControlServer(path: path, on: self.group) { $0.finish() }
                .start()
            try await listener.close()
            await #expect(throws: ControlClientError.notRunning(path: path)) {
                _ = try await ControlClient(path: path).ask([1])
            }
        }
    }

    @Test func `hangs up on a request that is too long`() async throws {
        try await self.withServer { _ in
            Issue.record("a request came through")
        } _: { path in
            await #expect(throws: (any Error).self) {
                _ = try await ControlClient(path: path).ask(
                    Array(repeating: UInt8(ascii: "x"), count: 70_000)
                )
            }
        }
    }

    @Test func `hangs up on a caller that does not finish its request`() async throws {
        var limits = ControlServer.Limits()
        limits.requestTime = .milliseconds(100)
        try await self.withServer(limits) { _ in
            Issue.record("a request came through")
        } _: { path in
            let silent = try await ClientBootstrap(group: self.group)
                .connect(unixDomainSocketPath: path).get()
            silent.writeAndFlush(ByteBuffer(string: "half a requ"), promise: nil)

            try await silent.closeFuture.get()
        }
    }

    @Test func `has room for so many callers, and again when one has left`() async throws {
        var limits = ControlServer.Limits()
        limits.connections = 2
        try await self.withServer(limits) { exchange in
            exchange.reply(exchange.request)
            exchange.finish()
        } _: { path in
            var waiting: [any Channel] = []
            for _ in 0..<2 {
                waiting.append(
                    try await ClientBootstrap(group: self.group)
                        .connect(unixDomainSocketPath: path).get()
                )
            }
            await #expect(throws: ControlClientError.self) {
                _ = try await ControlClient(path: path).ask([7])
            }

            for channel in waiting { try await channel.close() }
            // The server learns of the end on its own time.
            var answer: [[UInt8]] = []
            let deadline = NIODeadline.now() + .seconds(10)
            while answer.isEmpty, NIODeadline.now() < deadline {
                do {
                    answer = try await ControlClient(path: path).ask([7])
                } catch is ControlClientError { continue }
            }
            #expect(answer == [[7]])
        }
    }

    @Test func `says when the daemon does not answer`() async throws {
        try await self.withServer { _ in
        } _: { path in
            await #expect(throws: ControlClientError.timedOut) {
                _ = try await ControlClient(path: path).ask([1], silence: .milliseconds(100))
            }
        }
    }

    private func withServer(
        _ limits: ControlServer.Limits = .init(),
        handling handle: @escaping @Sendable (ControlExchange) -> Void,
        _ body: (String) async throws -> Void
    ) async throws {
        try await self.withFolder { folder in
            let path = folder + "/control.sock"
            let listener = try await ControlServer(
                path: path,
                on: self.group,
                limits: limits,
                handling: handle
            ).start()
            do {
                try await body(path)
            } catch {
                try await listener.close()
                throw error
            }
            try await listener.close()
        }
    }

    private func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "pair-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(at: folder) } }
        try await body(folder.path())
    }
}
