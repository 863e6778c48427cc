import Foundation
import PairCore
import PairLab
import PairWire
import TestThreads
import Testing

@Suite("pairctl", .wholeMachine)
struct PairctlTests {
    private func line(_ value: some Encodable) throws -> String {
        String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
    }

    private func report(_ verdict: Verdict) -> StatusReport {
        StatusReport(
            generatedAt: WallTime(secondsSince1970: 1_793_590_000),
            verdict: verdict,
            reasons: ["a reason"],
            next: nil,
            lab: false,
            pair: .init(id: nil, name: "vault-eu", epoch: .none, policy: .available),
            local: .init(
                name: "ams-1",
                id: NodeID(high: 1, low: 2),
                model: "PAM",
                role: Role.none,
                state: .unpaired,
                gate: .unmanaged
            ),
            peer: nil,
            replication: .init(),
            failover: .init(timeout: .seconds(840), heartbeat: .seconds(130))
        )
    }

    @Test(arguments: Verdict.allCases)
    func `status ends with the verdict's code, with data on standard output only`(
        verdict: Verdict
    )
        async throws
    {
        let outcome = ControlOutcome(.done, payload: self.report(verdict))
        let daemon = try ScriptedDaemon([try self.line(outcome)])

        let table = try await daemon.pairctl(["status"])
        let json = try await daemon.pairctl(["status", "-o", "json"])

        #expect(table.status == verdict.exitCode && json.status == verdict.exitCode)
        #expect(table.output.hasPrefix("\(verdict.rawValue.uppercased())  pair vault-eu"))
        #expect(!table.output.contains("\u{1B}"), "colours in a pipe")
        #expect(table.errors.isEmpty && json.errors.isEmpty)
        let read = try JSONDecoder().decode(StatusReport.self, from: Data(json.output.utf8))
        #expect(read == self.report(verdict))
        #expect(daemon.asked.first?.contains(#""verb":"status""#) == true, "\(daemon.asked)")
    }

    @Test(arguments: ControlExit.allCases)
    func `a verb ends with the daemon's code and words`(exit: ControlExit) async throws {
        let daemon = try ScriptedDaemon([
            #"{"progress":{"text":"copying the vault","doneBytes":512,"totalBytes":1024}}"#,
            try self.line(ControlOutcome<OperationReport>(exit, message: "because of a rule")),
        ])

        let answer = try await daemon.pairctl(["enable-ha", "--wait"])

        #expect(answer.status == exit.rawValue)
        #expect(answer.output.isEmpty)
        #expect(answer.errors == "copying the vault: 50 %\nbecause of a rule\n")
    }

    /// A daemon that has joined a pair as soon as it is asked to.
    private func joined() throws -> ScriptedDaemon {
        let member = PairDescription.Member(
            name: "a",
            id: NodeID(high: 1, low: 2),
            model: "m",
            address: "h:1",
            keyPin: [1]
        )
        let pair = PairDescription(
            pair: PairID(high: 1, low: 2),
            name: "p",
            fingerprint: "AB CD EF GH",
            local: member,
            peer: member
        )
        return try ScriptedDaemon([try self.line(ControlOutcome(.done, payload: pair))])
    }

    @Test func `the code of a pairing comes from standard input and goes to the daemon only`()
        async throws
    {
        let daemon = try self.joined()

        let answer = try await daemon.pairctl(
            ["pair", "join", "10.0.0.1:5022", "--code-file", "-"],
            input: "SECRET-CODE\n"
        )

        #expect(answer.status == 0, "\(answer.errors)")
        #expect(answer.output.contains("Fingerprint  AB CD EF GH"))
        #expect(!(answer.output + answer.errors).contains("SECRET"))
        let request = try JSONDecoder().decode(
            ControlRequest.self,
            from: Data(try #require(daemon.asked.first).utf8)
        )
        #expect(
            request.command == .pairJoin(.init(address: "10.0.0.1:5022", code: "SECRET-CODE"))
        )
    }

    @Test func `an answer that does not come in time is no answer`() async throws {
        let daemon = try ScriptedDaemon([])

        let status = try await daemon.pairctl(["status", "--timeout", "200ms"])
        let verify = try await daemon.pairctl(["verify", "--timeout", "200ms"])

        #expect(status.status == 3 && verify.status == 75)
        #expect(verify.errors.contains("may still finish"), "\(verify.errors)")
    }

    @Test func `a daemon that ends the conversation, or speaks otherwise, is unavailable`()
        async throws
    {
        for lines in [[#"{"progress":{"text":"a"}}"#], ["HTTP/1.0 200 OK"]] {
            let daemon = try ScriptedDaemon(lines)

            #expect(try await daemon.pairctl(["verify"]).status == 69)
            #expect(try await daemon.pairctl(["status"]).status == 3)
        }
    }

    @Test(arguments: [
        ["pair", "join", "nowhere", "--code-file", "-"], ["pair", "join", "a:1"], ["wait"],
        ["wait", "--durable", "--applied"], ["status", "--timeout", "10"], ["nothing"],
        ["pair", "invite", "--ttl", "2h"], ["enable-ha", "--confirm"],
        ["status", "-o", "xml"],
    ])
    func `a wrong command line is refused before anybody is asked`(arguments: [String]) async throws
    {
        let daemon = try ScriptedDaemon(["{}"])

        let answer = try await daemon.pairctl(arguments)

        #expect(answer.status == 64, "\(answer.errors)")
        #expect(answer.output.isEmpty && daemon.asked.isEmpty)
    }

    @Test(arguments: [
        (["swichover"], "switchover"), (["stauts", "-o", "json"], "status"),
        (["pair", "jion", "a:1"], "join"), (["tail", "lst"], "list"),
    ])
    func `a verb that does not exist is answered with the one that was meant`(
        arguments: [String],
        meant: String
    ) async throws {
        let daemon = try ScriptedDaemon(["{}"])

        let answer = try await daemon.pairctl(arguments)

        #expect(answer.status == 64 && daemon.asked.isEmpty)
        #expect(answer.errors.contains("did you mean \(meant)?"), "\(answer.errors)")
    }

    @Test func `the help of wait says that one of two is written`() async throws {
        let help = try await Command.run(try Programs.ours("pairctl"), ["wait", "--help"])

        #expect(help.output.contains("USAGE: pairctl wait (--durable | --applied)"))
    }

    @Test func `no archives are told to people, not to scripts`() async throws {
        let daemon = try ScriptedDaemon([
            try self.line(ControlOutcome(.done, payload: TailList(tails: [])))
        ])

        for output in ["table", "json"] {
            let answer = try await daemon.pairctl(["tail", "list", "-o", output])

            #expect(answer.status == 0 && answer.output.isEmpty)
            #expect(answer.errors == "no archives\n")
        }
    }

    /// Answers `y` or `n` at a terminal of its own, and writes what came there.
    private static let atTerminal = """
        import os, pty, sys
        word, program = sys.argv[1], sys.argv[2:]
        pid, terminal = pty.fork()
        if pid == 0: os.execv(program[0], program)
        said = b""
        while True:
            try: piece = os.read(terminal, 4096)
            except OSError: break
            if not piece: break
            said += piece
            for question, answer in ((b"Code: ", "CODE"), (b"[y/N] ", word)):
                if said.endswith(question): os.write(terminal, (answer + "\\n").encode())
        sys.stdout.write(said.decode())
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """

    @Test(arguments: [("y", 0, 1), ("n", 1, 2)] as [(String, Int32, Int)])
    func `a fingerprint that is not the other's leaves no trust behind`(
        word: String,
        status: Int32,
        questions: Int
    ) async throws {
        let daemon = try self.joined()

        let answer = try await Command.run(
            try Programs.system("python3"),
            ["-c", Self.atTerminal, word, try Programs.ours("pairctl")]
                + ["pair", "join", "10.0.0.1:5022", "--socket", daemon.path],
            within: .seconds(20)
        )

        #expect(answer.status == status, "\(answer.output)\(answer.errors)")
        let asked = try daemon.asked.map {
            try JSONDecoder().decode(ControlRequest.self, from: Data($0.utf8)).command
        }
        #expect(asked.count == questions)
        #expect((asked.last == .pairRemove(.init(wipeKeys: false))) == (word == "n"))
        #expect(answer.output.contains("type there: pairctl pair remove") == (word == "n"))
    }

    static let typed: [([String], ControlCommand)] = [
        (["init", "--standalone", "--confirm", "n2"], .initialize(.init(confirm: "n2"))),
        (["pair", "invite", "--ttl", "5m"], .pairInvite(.init(ttlSeconds: 300))),
        (["pair", "show"], .pairShow),
        (["pair", "remove", "--wipe-keys"], .pairRemove(.init(wipeKeys: true))),
        (
            ["enable-ha", "--wait", "--discard-peer-vault", "--confirm", "b"],
            .enableHA(.init(wait: true, discardPeerVault: true, confirm: "b"))
        ),
        (
            ["disable-ha", "--force", "--confirm", "b"],
            .disableHA(.init(wait: false, force: true, confirm: "b"))
        ),
        (["switchover", "--wait"], .switchover),
        (
            ["promote", "--force", "--confirm", "b", "--reason", "fire"],
            .promote(.init(force: true, confirm: "b", reason: "fire"))
        ),
        (["suspend", "--for", "2h"], .suspend(.init(seconds: 7200))), (["resume"], .resume),
        (["tail", "list"], .tailList), (["verify", "--full"], .verify(.init(full: true))),
        (["wait", "--durable"], .wait(.init(level: .durable))), (["history"], .history),
        (["events"], .events(.init(follow: false))),
    ]

    @Test(arguments: typed.indices)
    func `every verb asks for what was typed, and for nothing else`(index: Int) async throws {
        let (arguments, command) = Self.typed[index]
        let daemon = try ScriptedDaemon([#"{"exitCode":10,"message":"no"}"#])

        let answer = try await daemon.pairctl(arguments)

        #expect(answer.status == 10 && answer.output.isEmpty, "\(answer)")
        let requests = try daemon.asked.map {
            try JSONDecoder().decode(ControlRequest.self, from: Data($0.utf8))
        }
        #expect(requests.map(\.command) == [command])
        #expect(requests.map(\.dryRun) == [false])
    }

    @Test(arguments: ["enable-ha", "disable-ha", "switchover", "promote", "resume"])
    func `a dry run says that it is one`(verb: String) async throws {
        let daemon = try ScriptedDaemon([#"{"exitCode":0,"message":"would"}"#])

        #expect(try await daemon.pairctl([verb, "--dry-run"]).status == 0)
        #expect(daemon.asked.allSatisfy { $0.contains(#""dryRun":true"#) })
        #expect(daemon.asked.count == 1)
    }

    @Test func `lists are one entry a line, as text and as JSON`() async throws {
        let at = WallTime(secondsSince1970: 1_793_589_247)
        let events = EventList(events: [
            .init(
                at: at,
                event: "peer.up",
                level: "info",
                message: "hello",
                fields: ["role": "primary", "epoch": "7"]
            ),
            .init(at: at, event: "gate.opened", level: "info", message: "", fields: [:]),
        ])
        let daemon = try ScriptedDaemon([try self.line(ControlOutcome(.done, payload: events))])

        let table = try await daemon.pairctl(["events"])
        let json = try await daemon.pairctl(["events", "-o", "json"])

        #expect(
            table.output == """
                2026-11-02T03:14:07.000Z  peer.up  epoch=7  role=primary  - hello
                2026-11-02T03:14:07.000Z  gate.opened

                """
        )
        #expect(json.lines.count == 2)
        #expect(json.lines.allSatisfy { $0.hasPrefix("{") && $0.hasSuffix("}") })
    }

    @Test func `wait and verify say what they found, on one line for scripts`() async throws {
        let position = Position(
            epoch: Epoch(rawValue: 7),
            txid: TXID(12),
            digest: VaultDigest(1, 2, 3, 4)
        )
        let waited = WaitReport(
            level: .applied,
            position: position,
            primary: "a",
            secondary: "b",
            waited: .milliseconds(300)
        )
        let verified = VerifyReport(
            at: WallTime(secondsSince1970: 0),
            full: true,
            primary: "a",
            secondary: "b",
            position: position,
            equal: false,
            comparedPages: 100,
            differentPages: [3, 7],
            integrityCheck: "ok"
        )
        let first = try ScriptedDaemon([try self.line(ControlOutcome(.done, payload: waited))])
        let second = try ScriptedDaemon([
            try self.line(ControlOutcome(.failed, message: "they differ", payload: verified))
        ])

        let wait = try await first.pairctl(["wait", "--applied"])
        let verify = try await second.pairctl(["verify", "--full"])
        let json = try await second.pairctl(["verify", "--full", "-o", "json"])

        #expect(wait.output == "7/12 applied on b after 0.3 s\n")
        #expect(verify.status == 1)
        #expect(
            verify.output == """
                DIFFERENT  a and b at 7/12, 100 pages compared
                Different pages: 3, 7
                integrity_check: ok

                """
        )
        #expect(json.lines.count == 1)
    }
}
