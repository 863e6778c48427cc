import Foundation
import Glibc
import PairCore
import PairLab
import Testing

extension EndToEnd {
    @Suite("A vault whose capture had to stop", .timeLimit(.minutes(5)))
    struct CaptureStops {
        @Test func `goes on arriving when capture had to stop for a while`() async throws {
            try await LabPair.enabled { lab in
                let shell = try lab.application(.one)
                let writer = LedgerWriter(shell)
                try await writer.run(rate: nil, until: 200)
                try await lab.waitApplied(on: .one)

                try await self.whileCaptureIsStopped(lab) {
                    try await writer.run(rate: nil, until: 300)
                }

                try await lab.protected()
                try await writer.run(rate: nil, until: 400)
                try await lab.expectEqual(atLeast: 400)
                #expect(lab.seedCount(.two) == 1)
            }
        }

        @Test func `stays closed to applications when capture has to stop behind a closed gate`()
            async throws
        {
            try await self.behindClosedGate { lab in
                try await self.whileCaptureIsStopped(lab) {
                    try await self.expectLocked(lab)
                }
                try await eventually("node 1 has its vault again") {
                    try await lab.status(.one).local.state == .lookingForPeer
                }
                try await self.expectLocked(lab)
                try lab.heal()
            }
        }

        @Test func `is served again when the peer was heard while nobody could attach it`()
            async throws
        {
            try await self.behindClosedGate { lab in
                // As by a checkpoint that does not end.
                let program = """
                    import fcntl, sys, time
                    file = open(sys.argv[1], "r+b")
                    fcntl.lockf(file, fcntl.LOCK_EX, 1, 121)
                    print("held", flush=True)
                    time.sleep(3600)
                    """
                var holder: PythonProgram?
                try await self.whileCaptureIsStopped(lab) {
                    let index = lab.folder.vault(.one) + "-shm"
                    holder = try PythonProgram(lab, "checkpoint", program, [index])
                    try await eventually("the lock is held") { holder?.lines == ["held"] }
                }
                try lab.heal()
                try await lab.figure(.one, "heartbeats_received_total", atLeast: 5)
                #expect(try await lab.status(.one).local.state == .starting)
                holder?.kill()
            }
        }

        /// A primary that was started anew and looks for its peer, with its gate closed; `body` ends
        /// the cut, and then it serves again.
        private func behindClosedGate(_ body: (LabPair) async throws -> Void) async throws {
            let options = LabOptions(heartbeat: .milliseconds(500), timeout: .seconds(60))
            try await LabPair.enabled(options) { lab in
                try await LedgerWriter(try lab.application(.one)).run(rate: nil, until: 100)
                try await lab.waitApplied(on: .one)
                try lab.cut()
                try await lab.kill(.one)
                try await lab.start(.one)
                try await eventually("node 1 looks for its peer") {
                    try await lab.status(.one).local.state == .lookingForPeer
                }

                try await body(lab)

                try await lab.protected()
                let writer = LedgerWriter(try lab.application(.one), from: 101)
                try await writer.run(rate: nil, until: 200)
                try await lab.expectEqual(atLeast: 200)
            }
        }

        private func expectLocked(_ lab: LabPair) async throws {
            let vault = lab.folder.vault(.one)
            let refused = try await Command.run(
                try Programs.system("sqlite3"),
                ["-batch", vault, "UPDATE counter SET value = value;"]
            )
            #expect(refused.status != 0 && refused.errors.contains("lock"), "\(refused)")
        }

        /// Damages the wal-index as a writer does that dies, while the daemon has no descriptor left
        /// to mend it with.
        private func whileCaptureIsStopped(
            _ lab: LabPair,
            _ body: () async throws -> Void
        ) async throws {
            let daemon = try #require(lab[.one].pid)
            func limitDescriptors(to count: Int) async throws {
                let done = try await Command.run(
                    try Programs.system("prlimit"),
                    ["--pid", "\(daemon)", "--nofile=\(count):"]
                )
                try #require(done.status == 0, "\(done.errors)")
            }

            try await limitDescriptors(to: 3)
            let index = open(lab.folder.vault(.one) + "-shm", O_RDWR | O_CLOEXEC)
            #expect(pwrite(index, "torn", 4, 40) == 4)
            close(index)
            try await eventually("node 1 captures no more") {
                try String(contentsOfFile: lab.folder.log(.one), encoding: .utf8)
                    .contains("opening the vault")
            }
            try await body()
            try await limitDescriptors(to: 1024)
        }
    }
}
