import Foundation
import Glibc
import PairCore
import PairLab
import Testing

/// What a daemon tells systemd, heard on a socket of our own.
private final class NotifySocket: Sendable {
    let path: String
    private let descriptor: Int32

    init(in folder: LabFolder) throws {
        self.path = folder.path + "/notify.sock"
        self.descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(self.path.utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(self.descriptor, $0, length)
            }
        }
        guard bound == 0 else {
            throw LabError.system(call: "bind", object: self.path, code: errno)
        }
    }

    deinit { close(self.descriptor) }

    /// What has come by now.
    func heard() -> [String] {
        var messages: [String] = []
        while true {
            var buffer = [UInt8](repeating: 0, count: 512)
            let count = recv(self.descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            guard count > 0 else { return messages }
            messages.append(String(decoding: buffer[..<count], as: UTF8.self))
        }
    }
}

extension EndToEnd {
    @Suite("The start of a daemon", .timeLimit(.minutes(2)))
    struct Start {
        /// Runs a daemon of node 1 to its end, or until `body` is done with it.
        private func paird(
            _ lab: LabPair,
            _ socket: NotifySocket,
            _ body: (ChildProcess) async throws -> Void
        ) async throws {
            let log = lab.folder.log(.one)
            let process = try ChildProcess(
                try Programs.system("env"),
                [
                    "NOTIFY_SOCKET=\(socket.path)", try Programs.ours("paird"), "run", "--lab",
                    "--config", lab.folder.configuration(.one),
                ],
                output: .file(log),
                errors: .file(log)
            )
            defer {
                process.signal(SIGKILL)
                _ = process.wait()
            }
            try await body(process)
        }

        @Test func `is over when all three listeners answer, and not before`() async throws {
            try await LabPair.use { lab in
                try await lab.stop(.one)
                let socket = try NotifySocket(in: lab.folder)
                try await self.paird(lab, socket) { process in
                    var messages: [String] = []
                    // At the very moment of the word, and not a little later.
                    try await eventually("the daemon is ready", every: .milliseconds(1)) {
                        messages += socket.heard()
                        return messages.contains("READY=1")
                    }
                    #expect(try await lab.health(.one, "/live").status == 200)
                    #expect(try await lab.pairctl(.one, ["status"]).status == 1)
                    let port = lab[.one].replicationPort
                    #expect(await HealthProbe.exchange(port: port, "") != nil)

                    process.signal(SIGTERM)
                    try await eventually("it has ended") { process.status == 0 }
                    #expect(socket.heard().contains("STOPPING=1"))
                }
            }
        }

        @Test(arguments: ["listen.replication", "listen.health"])
        func `fails without a word to systemd when an address is taken`(key: String) async throws {
            try await LabPair.use { lab in
                try await lab.stop(.one)
                let yaml = lab.folder.configuration(.one)
                let text = try String(contentsOfFile: yaml, encoding: .utf8)
                let own = key == "listen.health" ? lab[.one].healthPort : lab[.one].replicationPort
                // Node 2 listens there.
                let taken = lab[.two].replicationPort
                try text.replacing("127.0.0.1:\(own)", with: "127.0.0.1:\(taken)")
                    .write(toFile: yaml, atomically: false, encoding: .utf8)
                let socket = try NotifySocket(in: lab.folder)

                try await self.paird(lab, socket) { process in
                    try await eventually("it has ended") { process.status != nil }
                    #expect(process.status == 1)
                    #expect(socket.heard() == [])
                    let log = try String(contentsOfFile: lab.folder.log(.one), encoding: .utf8)
                    #expect(
                        log.hasSuffix(
                            "paird: \(key): another program listens on 127.0.0.1:\(taken); "
                                + "ss -ltnp names it\n"
                        ),
                        "\(log)"
                    )
                }
            }
        }

        @Test func `fails with the key when an address is not this machine's`() async throws {
            try await LabPair.use { lab in
                try await lab.stop(.one)
                let yaml = lab.folder.configuration(.one)
                let text = try String(contentsOfFile: yaml, encoding: .utf8)
                try text.replacing("health: \"127.0.0.1:", with: "health: \"192.0.2.1:")
                    .write(toFile: yaml, atomically: false, encoding: .utf8)
                let socket = try NotifySocket(in: lab.folder)

                try await self.paird(lab, socket) { process in
                    try await eventually("it has ended") { process.status != nil }
                    #expect(process.status == 1 && socket.heard() == [])
                    let log = try String(contentsOfFile: lab.folder.log(.one), encoding: .utf8)
                    #expect(log.contains("listen.health: 192.0.2.1:"), "\(log)")
                    #expect(log.contains("is no address of this machine"), "\(log)")
                }
            }
        }

        @Test func `reads its file again on SIGHUP, and says what needs a restart`() async throws {
            try await LabPair.use { lab in
                let yaml = lab.folder.configuration(.one)
                let text = try String(contentsOfFile: yaml, encoding: .utf8)
                let pid = try #require(lab[.one].pid)
                func events() async throws -> String {
                    try await lab.operate(.one, ["events"]).output
                }

                try text.replacing("level: debug, format: text", with: "level: info, format: json")
                    .replacing("name: node-1", with: "name: node-9")
                    .write(toFile: yaml, atomically: false, encoding: .utf8)
                kill(pid, SIGHUP)
                try await eventually("it is taken over") {
                    try await events().contains("config.reloaded")
                }
                #expect(
                    try await events().contains("restart needed, old value kept: node.name")
                )
                let log = try String(contentsOfFile: lab.folder.log(.one), encoding: .utf8)
                let last = try #require(log.split(separator: "\n").last)
                #expect(last.hasPrefix("{"), "not JSON: \(last)")

                try (text + "\nhealth: { detial: true }\n")
                    .write(toFile: yaml, atomically: false, encoding: .utf8)
                kill(pid, SIGHUP)
                try await eventually("it is refused") {
                    try await events().contains("config.rejected")
                }
                #expect(try await lab.status(.one).local.name == "node-1")
            }
        }
    }
}
