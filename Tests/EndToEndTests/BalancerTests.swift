import Foundation
import PairCore
import PairLab
import Testing

extension EndToEnd {
    /// Whether the machine has a HAProxy; without one its cases are not run, and say so.
    static let hasBalancer = (try? Programs.system("haproxy")) != nil

    @Suite("HAProxy with our recipe", .timeLimit(.minutes(3)), .enabled(if: EndToEnd.hasBalancer))
    struct Balancer {
        /// A HAProxy whose ports lead to the nodes' health listeners, whose status names the node.
        private struct Proxy {
            let process: ChildProcess
            let port: UInt16

            init(_ lab: LabPair) throws {
                self.port = try EchoServer().freePort
                let readPort = try EchoServer().freePort
                let path = lab.folder.path + "/haproxy.cfg"
                let text = try Self.recipe(lab, port: self.port, readPort: readPort)
                try Data(text.utf8).write(to: URL(filePath: path))
                self.process = try ChildProcess(
                    try Programs.system("haproxy"),
                    ["-db", "-f", path],
                    output: .file(lab.folder.path + "/haproxy.log"),
                    errors: .file(lab.folder.path + "/haproxy.log")
                )
            }

            func end() {
                self.process.signal(9)
                _ = self.process.wait()
            }

            /// The recipe that we ship, with this lab's addresses.
            private static func recipe(
                _ lab: LabPair,
                port: UInt16,
                readPort: UInt16
            ) throws -> String {
                let file = URL(filePath: #filePath).deletingLastPathComponent()
                    .deletingLastPathComponent().deletingLastPathComponent()
                    .appending(path: "etc/haproxy.cfg")
                var text = try String(contentsOf: file, encoding: .utf8)
                let replacements = [
                    (":8443\n    option", "127.0.0.1:\(port)\n    option"),
                    (":8444\n    option", "127.0.0.1:\(readPort)\n    option"),
                    ("check port 5023 inter 2s", "check inter 300ms"),
                    ("192.0.2.1:8443", "127.0.0.1:\(lab[.one].healthPort)"),
                    ("192.0.2.2:8443", "127.0.0.1:\(lab[.two].healthPort)"),
                ]
                for (old, new) in replacements {
                    #expect(text.contains(old), "the recipe has no \(old)")
                    text = text.replacingOccurrences(of: old, with: new)
                }
                return text
            }

            /// The node that a client of `port` gets to, if applications may write there.
            private func node(behind port: UInt16) async -> String? {
                guard let answer = try? await HealthProbe.ask(port: port, "/v1/status") else {
                    return nil
                }
                let report = try? JSONDecoder().decode(
                    StatusReport.self,
                    from: Data(answer.body.utf8)
                )
                return report?.local.gate == .open ? report?.local.name : nil
            }

            func leads(to name: String?) async throws {
                try await eventually("HAProxy leads to \(name ?? "nobody")") {
                    await self.node(behind: self.port) == name
                }
            }
        }

        @Test func `leads to the primary, and to nobody while there is none`() async throws {
            try await LabPair.enabled { lab in
                let proxy = try Proxy(lab)
                defer { proxy.end() }
                try await proxy.leads(to: "node-1")

                try await lab.stop(.one)
                try await proxy.leads(to: nil)
                try await lab.start(.one)
                try await proxy.leads(to: "node-1")
            }
        }

        @Test func `follows the primary, and never sees two, nor one that refuses a write`()
            async throws
        {
            try await LabPair.enabled(Trial.options) { lab in
                let proxy = try Proxy(lab)
                defer { proxy.end() }
                let watch = try HealthWatch(lab)
                defer { watch.kill() }
                try await proxy.leads(to: "node-1")

                try await lab.operate(.one, ["switchover", "--wait"])
                try await proxy.leads(to: "node-2")
                try await eventually("the pair is protected") {
                    try await lab.status(.two).verdict == .protected
                }
                try await lab.kill(.two)
                try await proxy.leads(to: "node-1")
                try await lab.start(.two)
                try await lab.protected()
                try await lab.enableHA(on: .one)
                try await lab.operate(.one, ["disable-ha", "--wait", "--timeout", "30s"])
                try await proxy.leads(to: "node-1")
                try await lab.enableHA(on: .two)
                try await proxy.leads(to: "node-2")
                try await lab.kill(.one)
                try await lab.start(.one)

                let record = watch.finish()
                #expect(record.complaints == [])
                #expect(LabNode.allCases.allSatisfy { record.yes[$0] ?? 0 > 0 }, "\(record)")
                print(
                    "health: looks \(record.looks), yes \(record.yes),",
                    "each node asked \(Int(record.rate)) times a second"
                )
            }
        }
    }
}
