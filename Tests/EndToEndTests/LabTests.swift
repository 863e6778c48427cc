import Foundation
import PairLab
import TestThreads
import Testing

/// The measuring instruments must be right before anything is measured with them.
@Suite("The lab's own instruments", .wholeMachine)
struct LabTests {
    /// A vault without daemons.
    private func withVault(_ body: (String) async throws -> Void) async throws {
        let folder = try LabFolder.scratch()
        defer { folder.remove() }
        let vault = folder.path + "/vault.db"
        let made = try await Command.run(
            try Programs.system("sqlite3"),
            ["-batch", "-bail", vault],
            input: """
                PRAGMA journal_mode = WAL;
                CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
                CREATE TABLE credential (id INTEGER PRIMARY KEY, name TEXT, secret BLOB);
                CREATE TABLE counter (id INTEGER PRIMARY KEY, value INTEGER NOT NULL);
                WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
                  INSERT INTO account SELECT i, 1000 FROM n;
                INSERT INTO counter VALUES (1, 0);
                """
        )
        #expect(made.status == 0, "\(made.errors)")
        try await body(vault)
    }

    @Test func `a command's output, errors and status are told apart`() async throws {
        let result = try await Command.run(
            "/bin/sh",
            ["-c", "cat; echo bad >&2; exit 7"],
            input: "good"
        )

        #expect((result.status, result.output, result.errors) == (7, "good", "bad\n"))
    }

    @Test func `a command that takes too long is ended`() async throws {
        await #expect(throws: LabError.self) {
            try await Command.run("/bin/sleep", ["600"], within: .milliseconds(200))
        }
    }

    @Test func `a command may be given more than a pipe holds`() async throws {
        let text = String(repeating: "0123456789abcdef\n", count: 100_000)

        let result = try await Command.run("/bin/cat", [], input: text)

        #expect(result.output == text)
    }

    @Test func `the shell answers each batch with its own rows and errors`() async throws {
        try await self.withVault { vault in
            let shell = try SQLiteShell(vault: vault)
            let first = try await shell.run("SELECT 1; SELECT 2;")
            let second = try await shell.run("SELECT * FROM nowhere;")
            let third = try await shell.run("SELECT 3;")

            #expect(first.rows == ["1", "2"] && first.errors.isEmpty, "\(first)")
            #expect(second.errors.count == 1 && second.rows.isEmpty, "\(second)")
            #expect(third.rows == ["3"])
            await shell.close()
        }
    }

    @Test func `a killed shell is no answer`() async throws {
        try await self.withVault { vault in
            let shell = try SQLiteShell(vault: vault)
            _ = try await shell.run("SELECT 1;")
            shell.kill()

            await #expect(throws: LabError.self) { try await shell.run("SELECT 1;") }
        }
    }

    @Test func `writers and readers of one vault have nothing to complain of`() async throws {
        try await self.withVault { vault in
            let writer = LedgerWriter(try SQLiteShell(vault: vault))
            let reader = LedgerReader(try SQLiteShell(vault: vault), name: "reader")
            async let reading: Void = reader.run(checkEvery: 10)
            try await writer.run(rate: nil, until: 500)
            try await eventually("the reader has seen all") { reader.record.newest == 500 }
            reader.stop()
            try await reading

            #expect(writer.committed == 500)
            #expect(reader.record.complaints == [])
        }
    }

    @Test(arguments: [
        "UPDATE account SET balance = balance + 1 WHERE id = 1;",
        "DELETE FROM credential WHERE id = 3;",
        "UPDATE counter SET value = 4;",
    ])
    func `a reader finds what cannot be`(damage: String) async throws {
        try await self.withVault { vault in
            let shell = try SQLiteShell(vault: vault)
            try await LedgerWriter(shell).run(rate: nil, until: 10)
            let reader = LedgerReader(try SQLiteShell(vault: vault), name: "reader")
            async let reading: Void = reader.run()
            try await eventually("the reader has seen all") { reader.record.newest == 10 }
            _ = try await shell.run(damage)
            try await eventually("the reader complains") { !reader.record.complaints.isEmpty }
            reader.stop()
            try await reading

            #expect(reader.record.complaints.allSatisfy { $0.hasPrefix("reader at look") })
        }
    }

    @Test func `a writer stops at the first refusal`() async throws {
        try await self.withVault { vault in
            let shell = try SQLiteShell(vault: vault)
            _ = try await shell.run("PRAGMA query_only = 1;")

            await #expect(throws: LabError.self) {
                try await LedgerWriter(shell).run(rate: nil, until: 10)
            }
        }
    }

    @Test func `the link forwards, holds back while it is cut, and forgets what was cut`()
        async throws
    {
        let echo = try EchoServer()
        let link = try LabLink([.init(port: echo.freePort, target: echo.port)])
        link.run()
        func ask(_ text: String) async -> String? {
            await EchoServer.ask(port: echo.freePort, text, patience: .milliseconds(500))
        }

        #expect(await ask("one") == "one")
        link.cut()
        #expect(await ask("two") == nil)
        #expect(link.heldBack > 0)
        link.heal()
        #expect(await ask("three") == "three")
    }

    @Test func `a lab is found by what its processes were started with`() async throws {
        let folder = try LabFolder.scratch()
        let lab = try await LabPair.make(in: folder)

        try lab.cut()
        let found = try LabPair.find(in: folder)
        #expect(try found.isCut())
        try found.heal()
        #expect(try lab.isCut() == false)
        await found.down()

        #expect(!FileManager.default.fileExists(atPath: folder.path))
        #expect(throws: LabError.self) { try lab.cut() }
    }
}
