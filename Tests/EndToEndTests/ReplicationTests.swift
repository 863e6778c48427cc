import Foundation
import PairCore
import PairLab
import Testing

extension EndToEnd {
    @Suite("A pair that is in sync", .timeLimit(.minutes(10)))
    struct Replication {
        @Test(arguments: [500, nil])
        func `readers on the secondary never see what was not on the primary`(
            rate: Int?
        )
            async throws
        {
            try await LabPair.enabled { lab in
                let committed = try await lab.underLoad(rate: rate) { writer, readers in
                    try await eventually("3,000 transactions are committed") {
                        writer.committed >= 3_000
                    }
                    try await eventually("every reader has seen them") {
                        readers.allSatisfy { $0.record.newest >= 3_000 }
                    }
                }

                try await lab.expectEqual(atLeast: committed)
                #expect(lab.seedCount(.two) == 1)
            }
        }

        /// Each as often as ``EndToEnd/rounds`` says, in an order that is drawn anew.
        @Test(arguments: [500, nil])
        func `survives kill -9 of whoever applies, captures or writes, at any moment`(
            rate: Int?
        )
            async throws
        {
            try await LabPair.enabled { lab in
                var application = try LedgerApplication(lab, rate: rate)
                defer { application.kill() }
                let observers = try (1...3).map { try LedgerObserver(lab, $0) }
                for _ in 1...EndToEnd.rounds {
                    for victim in [LabNode.one, .two, nil].shuffled() {
                        try await application.commits(.random(in: 50...600))
                        if let victim {
                            try await lab.kill(victim)
                            try await application.commits(.random(in: 50...300))
                            try await lab.start(victim)
                        } else {
                            application.kill()
                            let told = try application.committed
                            application = try LedgerApplication(lab, rate: rate)
                            try await eventually("the application is back") {
                                try application.committed > 0
                            }
                            // Its last transaction may be committed without its knowing.
                            let found = try application.committed
                            #expect(found >= told)
                        }
                        try await lab.protected()
                    }
                }
                application.finish()
                let committed = try application.committed

                try await lab.expectEqual(atLeast: committed)
                var looks = 0
                for observer in observers {
                    let verdict = observer.finish()
                    #expect(verdict.complaints == [])
                    #expect(verdict.looks > 0 && verdict.newest == committed, "\(verdict)")
                    looks += verdict.looks
                }
                print(
                    "\(rate.map { "\($0)/s" } ?? "full speed"): \(3 * EndToEnd.rounds) kills,",
                    "\(committed) commits, \(looks) looks of readers"
                )
                #expect(lab.seedCount(.two) == 1, "a whole copy was taken again")
            }
        }

        @Test func `catches up after the secondary was away, from the log`() async throws {
            try await LabPair.enabled { lab in
                try await lab.kill(.two)
                let writer = LedgerWriter(try lab.application(.one))
                try await writer.run(rate: nil, until: 10_000)

                try await lab.start(.two)
                try await lab.protected()

                try await lab.expectEqual(atLeast: 10_000)
                #expect(lab.seedCount(.two) == 1, "a whole copy was taken again")
            }
        }

        @Test func `compares page by page when the log no longer reaches back`() async throws {
            let options = LabOptions(
                configuration: "replication: { log_retention: { size: 64MiB, age: 1m } }"
            )
            try await LabPair.enabled(options) { lab in
                try await lab.stop(.two)
                let filled = try await lab.sql(
                    .one,
                    """
                    CREATE TABLE blob (id INTEGER PRIMARY KEY, data BLOB);
                    INSERT INTO blob VALUES (1, zeroblob(1));
                    """
                        + (0..<260).map { _ in
                            "UPDATE blob SET data = randomblob(1048576) WHERE id = 1;"
                        }.joined(separator: "\n")
                )
                #expect(filled.status == 0, "\(filled.errors)")

                try await lab.start(.two)
                try await lab.protected()

                try await lab.expectEqual(atLeast: 0)
                #expect(lab.seedCount(.two) == 1, "a whole copy was taken again")
            }
        }

        @Test func `goes on after the link was cut`() async throws {
            try await LabPair.enabled { lab in
                let committed = try await lab.underLoad(rate: 500) { writer, _ in
                    try lab.cut()
                    let goal = writer.committed + 1_000
                    try await eventually("node 1 misses its peer") {
                        try await lab.status(.one).verdict == .unprotected
                    }
                    try await eventually("the application goes on") { writer.committed >= goal }
                    #expect(try lab.heldBack() > 0, "the cut met nothing")
                    try lab.heal()
                    try await lab.protected()
                }

                try await lab.expectEqual(atLeast: committed)
                #expect(lab.seedCount(.two) == 1, "a whole copy was taken again")
            }
        }

        @Test func `goes on after the secondary's daemon has hung`() async throws {
            try await LabPair.enabled { lab in
                let committed = try await lab.underLoad(rate: 500) { writer, _ in
                    try lab.pause(.two)
                    try await eventually("node 1 misses its peer") {
                        try await lab.status(.one).verdict == .unprotected
                    }
                    let goal = writer.committed + 500
                    try await eventually("the application goes on") { writer.committed >= goal }
                    try lab.resume(.two)
                    try await lab.protected()
                }

                try await lab.expectEqual(atLeast: committed)
            }
        }

        @Test func `says that a commit is durable on the peer only when it is`() async throws {
            try await LabPair.enabled { lab in
                let writer = LedgerWriter(try lab.application(.one))
                try await writer.run(rate: nil, until: 500)
                try await lab.operate(.one, ["wait", "--durable"])
                try await lab.kill(.two)
                try await lab.kill(.one)

                let view = try Ledger.View(try await lab.sql(.two, Ledger.look).lines)
                #expect(view.counter == 500)
                try await lab.start(.one)
                let late = try await lab.pairctl(.one, ["wait", "--durable", "--timeout", "1s"])
                #expect(late.status != 0, "it claims to have reached a peer that is dead")
            }
        }
    }
}
