import Foundation
import PairCore
import PairLab
import Testing

extension EndToEnd {
    @Suite("An operator", .timeLimit(.minutes(3)))
    struct Operator {
        /// A code that node 1 has given.
        private func code(_ lab: LabPair) async throws -> String {
            let answer = try await lab.operate(.one, ["pair", "invite", "-o", "json"])
            let object = try JSONSerialization.jsonObject(with: Data(answer.output.utf8))
            return try #require((object as? [String: Any])?["code"] as? String)
        }

        private func join(_ lab: LabPair, _ node: LabNode, code: String) async throws -> Command {
            let address = "127.0.0.1:\(lab[node].linkPort)"
            return try await lab.pairctl(
                node,
                ["pair", "join", address, "--code-file", "-"],
                input: code + "\n"
            )
        }

        @Test func `pairs two nodes with a code, and both show the same fingerprint`() async throws
        {
            try await LabPair.use { lab in
                #expect(try await lab.status(.one).verdict == .unpaired)
                let invitation = try await lab.operate(.one, ["pair", "invite", "-o", "json"])
                let object = try JSONSerialization.jsonObject(with: Data(invitation.output.utf8))
                let keys = Set((object as? [String: Any] ?? [:]).keys)
                #expect(keys == ["code", "address", "fingerprint", "expiresAt"])
                let code = try #require((object as? [String: Any])?["code"] as? String)

                let joined = try await self.join(lab, .two, code: code)

                #expect(joined.status == 0, "\(joined.errors)")
                var fingerprints: [Substring] = []
                for node in LabNode.allCases {
                    let shown = try await lab.operate(node, ["pair", "show"])
                    fingerprints += shown.output.split(separator: "\n").filter {
                        $0.hasPrefix("Fingerprint")
                    }
                    #expect(try await lab.status(node).local.state == .paired)
                    #expect(try await lab.status(node).local.gate == .unmanaged)
                }
                #expect(fingerprints.count == 2 && Set(fingerprints).count == 1, "\(fingerprints)")
            }
        }

        @Test func `is refused with a wrong code, and three of them burn the invitation`()
            async throws
        {
            try await LabPair.use { lab in
                let code = try await self.code(lab)
                let other = String(code.map { $0 == "7" ? "8" : $0 == "A" ? "B" : $0 })
                for _ in 0..<3 {
                    let wrong = try await self.join(
                        lab,
                        .two,
                        code: other == code ? code + "0" : other
                    )
                    #expect(wrong.status != 0 && !wrong.errors.isEmpty)
                }
                let malformed = try await self.join(lab, .two, code: "not-a-code")
                #expect(malformed.status != 0)
                #expect(try await lab.status(.one).verdict == .unpaired)
                #expect(try await lab.status(.two).verdict == .unpaired)
            }
        }

        @Test func `cannot use a code twice, nor pair a node that has a peer`() async throws {
            try await LabPair.use { lab in
                let code = try await self.code(lab)
                #expect(try await self.join(lab, .two, code: code).status == 0)

                let again = try await self.join(lab, .two, code: code)

                #expect(again.status != 0)
                #expect(again.errors.contains("pair"), "\(again.errors)")
                let invite = try await lab.pairctl(.one, ["pair", "invite"])
                #expect(invite.status == 10, "\(invite.output)\(invite.errors)")
            }
        }

        @Test func `cannot pair machines of different models, and is told both`() async throws {
            try await LabPair.use(LabOptions(models: ["PAM-500", "PAM-900"])) { lab in
                let answer = try await self.join(lab, .two, code: try await self.code(lab))

                #expect(answer.status != 0)
                #expect(answer.errors.contains("PAM-500") && answer.errors.contains("PAM-900"))
                #expect(try await lab.status(.one).verdict == .unpaired)
            }
        }

        @Test func `cannot switch HA on without a peer, and is told what to type`() async throws {
            try await LabPair.use { lab in
                let answer = try await lab.pairctl(.one, ["enable-ha"])

                #expect(answer.status == 10, "\(answer.status) \(answer.errors)")
                #expect(answer.errors.contains("pairctl pair"), "\(answer.errors)")
            }
        }

        @Test func `may switch HA on at once after pairing, or much later`() async throws {
            for patience in [Duration.zero, .seconds(4)] {
                try await LabPair.use { lab in
                    try await Ledger.make(in: lab, on: .one)
                    try await lab.pair()
                    let paired = ContinuousClock.now
                    try await eventually("several heartbeats' time has passed") {
                        ContinuousClock.now - paired >= patience
                    }

                    let answer = try await lab.pairctl(.one, ["enable-ha", "--wait"])

                    #expect(answer.status == 0, "after \(patience): \(answer.errors)")
                    #expect(try await lab.status(.one).verdict == .protected)
                }
            }
        }

        @Test func `may type enable-ha again without any effect`() async throws {
            try await LabPair.enabled { lab in
                let before = try await lab.status(.one)

                let again = try await lab.pairctl(.one, ["enable-ha"])

                #expect(again.status == 0, "\(again.errors)")
                let after = try await lab.status(.one)
                #expect(after.pair.epoch == before.pair.epoch)
                #expect(lab.seedCount(.two) == 1)
            }
        }

        @Test func `is told by the status what each node is, from either node`() async throws {
            try await LabPair.enabled { lab in
                let (one, two) = (try await lab.status(.one), try await lab.status(.two))

                #expect(one.lab && two.lab)
                #expect(one.local.role == .primary && one.peer?.node.role == .secondary)
                #expect(two.local.role == .secondary && two.peer?.node.role == .primary)
                #expect(one.local.name == "node-1" && two.local.name == "node-2")
                #expect(one.pair.id == two.pair.id && one.pair.id != nil)
                let table = try await lab.operate(.two, ["status"])
                #expect(table.output.hasPrefix("PROTECTED  pair lab"), "\(table.output)")
                #expect(table.lines.allSatisfy { $0.count <= 80 }, "\(table.output)")
            }
        }

        @Test(arguments: LabNode.allCases)
        func `is told that a node's memory is gone, until it is back`(node: LabNode) async throws {
            try await LabPair.enabled(.patient) { lab in
                try await lab.protected()
                let place = lab.folder.stateDirectory(node)
                try FileManager.default.moveItem(atPath: place, toPath: place + "-away")
                for teller in Set([node, .one]) {
                    try await eventually("\(teller.name) says so") {
                        let status = try await lab.status(teller)
                        return status.verdict == .degraded
                            && status.reasons.contains {
                                $0.contains("\(place)/node.state is gone")
                            }
                    }
                }

                try FileManager.default.moveItem(atPath: place + "-away", toPath: place)

                try await lab.protected()
            }
        }

        @Test func `can tell a verify that could not be made from one that found a difference`()
            async throws
        {
            try await LabPair.enabled { lab in
                try await lab.stop(.two)
                try await eventually("node 1 has noticed") {
                    try await lab.status(.one).verdict == .unprotected
                }

                let verify = try await lab.pairctl(.one, ["verify"])

                #expect(verify.status == 69, "\(verify.errors)")
                #expect(verify.errors.contains("node-2 is not connected"))
            }
        }

        @Test func `is told that the daemon does not run, and how to start it`() async throws {
            try await LabPair.use { lab in
                try await lab.stop(.one)

                let status = try await lab.pairctl(.one, ["status"])
                let verify = try await lab.pairctl(.one, ["verify"])

                #expect(status.status == 3 && verify.status == 69)
                #expect(status.errors.contains("systemctl start paird"))
            }
        }
    }

    @Suite("The daemon's configuration", .timeLimit(.minutes(1)))
    struct Configurations {
        /// What `paird` says to a configuration file.
        private func paird(
            _ arguments: [String],
            _ yaml: String,
            mode: Int = 0o640
        ) async throws -> Command {
            let folder = try LabFolder.scratch()
            defer { folder.remove() }
            let path = folder.path + "/paird.yaml"
            try Data(yaml.utf8).write(to: URL(filePath: path))
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
            return try await Command.run(
                try Programs.ours("paird"),
                arguments.map { $0 == "FILE" ? path : $0 },
                within: .seconds(20)
            )
        }

        @Test func `is accepted when it is right`() async throws {
            let answer = try await self.paird(
                ["check-config", "FILE"],
                "vault: { path: /var/lib/vault/vault.db }\n"
            )

            #expect(answer.status == 0, "\(answer.errors)")
        }

        @Test(arguments: [["check-config", "FILE"], ["run", "--config", "FILE"]])
        func `is refused with place and remedy when it is wrong`(arguments: [String]) async throws {
            let answer = try await self.paird(
                arguments,
                "vault: { path: /var/lib/vault/vault.db }\nfailover: { timeout: 14 }\n"
            )

            #expect(answer.status == 78)
            #expect(
                answer.errors.contains(":2:22: failover.timeout: 14 has no unit; write"),
                "\(answer.errors)"
            )
        }

        @Test func `is refused by the check as by the daemon when others may read it`() async throws
        {
            let yaml = "vault: { path: /var/lib/vault/vault.db }\n"

            for arguments in [["check-config", "FILE"], ["run", "--config", "FILE"]] {
                let answer = try await self.paird(arguments, yaml, mode: 0o644)

                #expect(answer.status == 78, "\(arguments): \(answer.errors)")
                #expect(answer.errors.contains("mode 0644 lets others in; type: chmod 0640 /"))
            }
        }

        @Test func `is named as each command names it, when it is not there`() async throws {
            let answer = try await Command.run(
                try Programs.ours("paird"),
                ["check-config", "/nonexistent.yaml"],
                within: .seconds(20)
            )

            #expect(answer.status == 78)
            #expect(answer.errors.contains("paird check-config FILE"), "\(answer.errors)")
        }

        @Test func `cannot have a lab's timers in a product`() async throws {
            let yaml =
                "vault: { path: /var/lib/vault/vault.db }\nlab: { heartbeat: 1s, timeout: 10s }\n"

            #expect(try await self.paird(["check-config", "FILE"], yaml).status == 78)
            #expect(try await self.paird(["check-config", "--lab", "FILE"], yaml).status == 0)
            #expect(try await self.paird(["run", "--config", "FILE"], yaml).status == 78)
        }
    }
}
