import Foundation
import PairCore
import PairLab
import PairWire
import Testing

extension EndToEnd {
    @Suite("The health listener", .timeLimit(.minutes(2)))
    struct HealthListener {
        @Test func `sends clients nowhere before the pair is told its roles`() async throws {
            try await LabPair.use { lab in
                for path in ["/", "/primary", "/secondary", "/ready"] {
                    let answer = try await lab.health(.one, path)
                    #expect(answer.status == 503)
                    #expect(answer.body.hasPrefix("PAIRD=NONE"), "\(answer.body)")
                }
                #expect(try await lab.health(.one, "/live").status == 200)
            }
        }

        @Test func `sends writers to the primary and readers to the secondary`() async throws {
            try await LabPair.enabled { lab in
                let primary = try await lab.health(.one, "/primary")
                #expect(primary.status == 200 && primary.body.hasPrefix("PAIRD=PRIMARY"))
                #expect(primary.headers["x-pair-role"] == "primary")
                #expect(primary.headers["x-pair-state"] == "streaming")
                #expect(primary.headers["cache-control"] == "no-store")
                let epoch = try await lab.status(.one).pair.epoch
                #expect(primary.headers["x-pair-epoch"] == "\(epoch)")
                #expect(try await lab.health(.one, "/secondary").status == 503)

                let secondary = try await lab.health(.two, "/secondary")
                #expect(secondary.status == 200 && secondary.body.hasPrefix("PAIRD=SECONDARY"))
                #expect(try await lab.health(.two, "/primary").status == 503)
            }
        }

        @Test func `serves the status and metrics, and nothing else`() async throws {
            try await LabPair.enabled { lab in
                let status = try await lab.health(.one, "/v1/status")
                #expect(status.status == 200)
                let report = try JSONDecoder().decode(
                    StatusReport.self,
                    from: Data(status.body.utf8)
                )
                #expect(report.local.name == "node-1")
                let metrics = try await lab.health(.one, "/metrics")
                #expect(metrics.status == 200)
                #expect(metrics.body.contains("paird_gate_open"), "\(metrics.body.prefix(200))")

                #expect(try await lab.health(.one, "/nothing").status == 404)
                let post = try await lab.health(.one, "/primary", method: "POST")
                #expect(post.status == 405 && post.headers["allow"] != nil)
                let head = try await lab.health(.one, "/primary", method: "HEAD")
                #expect(head.status == 200 && head.body.isEmpty)
                let long = try await lab.health(
                    .one,
                    "/",
                    headers: ["X-Long: " + String(repeating: "x", count: 5_000)]
                )
                #expect(long.status == 431)
            }
        }
    }

    @Suite("A stranger on the replication port", .timeLimit(.minutes(2)))
    struct Strangers {
        /// What the stock OpenSSL client gets to see.
        private func openssl(_ lab: LabPair, _ arguments: [String]) async throws -> Command {
            try await Command.run(
                try Programs.system("openssl"),
                ["s_client", "-connect", "127.0.0.1:\(lab[.one].replicationPort)"] + arguments,
                input: "GET / HTTP/1.0\r\n\r\n",
                within: .seconds(20)
            )
        }

        @Test(arguments: ["-tls1", "-tls1_1", "-tls1_2"])
        func `is refused with an old version of TLS`(version: String) async throws {
            try await LabPair.enabled { lab in
                let answer = try await self.openssl(lab, [version, "-alpn", "paird/1"])

                #expect(answer.status != 0)
                #expect(!answer.output.contains("Cipher is TLS"), "\(answer.output)")
                try await lab.protected()
            }
        }

        @Test func `is refused without a certificate, with a strange one, and without ALPN`()
            async throws
        {
            try await LabPair.enabled { lab in
                let (key, certificate) = (
                    lab.folder.path + "/stranger.key", lab.folder.path + "/stranger.crt"
                )
                let made = try await Command.run(
                    try Programs.system("openssl"),
                    [
                        "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=node-2",
                        "-days", "1", "-keyout", key, "-out", certificate,
                    ]
                )
                #expect(made.status == 0, "\(made.errors)")
                for arguments in [
                    ["-tls1_3", "-alpn", "paird/1"],
                    ["-tls1_3", "-alpn", "paird/1", "-cert", certificate, "-key", key],
                    ["-tls1_3", "-cert", certificate, "-key", key],
                ] {
                    let answer = try await self.openssl(lab, arguments + ["-quiet"])
                    #expect(answer.output.isEmpty, "\(arguments) got \(answer.output)")
                }
                try await lab.protected()
                #expect(try await lab.status(.one).local.role == .primary)
            }
        }

        @Test func `is not answered when it does not speak TLS`() async throws {
            try await LabPair.enabled { lab in
                let port = lab[.one].replicationPort
                let answer = await HealthProbe.exchange(port: port, "GET / HTTP/1.0\r\n\r\n")

                #expect(answer?.contains("HTTP") == false)
                try await lab.protected()
            }
        }
    }

    @Suite("A primary that does not answer", .timeLimit(.minutes(3)))
    struct Silence {
        @Test func `is asked anew for its log, and the operator is told`() async throws {
            let options = LabOptions(heartbeat: .milliseconds(500), timeout: .seconds(120))
            try await LabPair.enabled(options) { lab in
                try await LedgerWriter(try lab.application(.one)).run(rate: nil, until: 100)
                try await lab.waitApplied(on: .one)
                try await lab.kill(.one)
                let mute = try await StandIn(in: lab, insteadOf: .one)

                try await eventually("node 2 says that it waits in vain") {
                    try await lab.status(.two).reasons.contains {
                        $0.hasPrefix("node-1 has not said for 15 s how its log goes on")
                    }
                }

                #expect(mute.requests > 0)
                try await mute.end()
                try await lab.start(.one)
                try await lab.protected()
                #expect(try await lab.status(.two).reasons == [])
                try await lab.expectEqual(atLeast: 100)
            }
        }
    }

    @Suite("A primary whose peer connects again and again", .timeLimit(.minutes(2)))
    struct Flutter {
        @Test func `answers what was asked on a connection before it has got to it`() async throws {
            try await LabPair.enabled(LabOptions(timeout: .seconds(120))) { lab in
                let size = try #require(PageSize(byteCount: 4096))
                try await lab.kill(.two)
                let peer = try await StandIn(
                    in: lab,
                    insteadOf: .two,
                    asking: LogMessage.Request(wish: .copy, content: .withTables(size))
                )
                for round in 1...5 {
                    let answered = peer.plans
                    try await peer.flutter()
                    try await eventually("request \(round) is answered", within: .seconds(10)) {
                        peer.plans > answered
                    }
                }
                try await peer.end()
            }
        }
    }

    @Suite("The demonstration", .timeLimit(.minutes(3)))
    struct Demo {
        @Test func `does what it says and leaves nothing behind`() async throws {
            let answer = try await Command.run(
                try Programs.ours("pair-lab"),
                ["demo"],
                within: .seconds(150)
            )

            #expect(answer.status == 0, "\(answer.output)\(answer.errors)")
            #expect(answer.output.contains("nothing is left running"))
        }
    }
}
