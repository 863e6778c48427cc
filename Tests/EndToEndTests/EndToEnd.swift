import Foundation
import PairCore
import PairLab
import TestThreads
import Testing

/// Real daemons, real faults.
///
/// One after the other: each of them has two daemons and an application at full speed, and the
/// lab's timers must not meet a machine that is busy with something else.
@Suite("End to end", .serialized, .wholeMachine)
enum EndToEnd {
    /// Many rounds instead of a few.
    static let isLong = ProcessInfo.processInfo.environment["PAIR_LONG"] == "1"

    /// How often a fault is repeated.
    static let rounds = isLong ? 20 : 3
}

extension LabPair {
    /// A lab whose node 1 has the ledger and is primary, node 2 in sync.
    static func enabled<Result>(
        _ options: LabOptions = LabOptions(),
        pageSize: Int = 4096,
        _ body: (LabPair) async throws -> Result
    ) async throws -> Result {
        try await LabPair.use(options) { lab in
            try await Ledger.make(in: lab, on: .one, pageSize: pageSize)
            try await lab.pair()
            try await lab.enableHA(on: .one)
            return try await body(lab)
        }
    }

    /// Waits until node 1 says that the pair is protected.
    func protected(within limit: Duration = .seconds(60)) async throws {
        try await eventually("the pair is protected", within: limit) {
            try await self.status(.one).verdict == .protected
        }
    }

    /// Both vaults are the same, and hold the first `committed` transactions of the ledger, or more.
    func expectEqual(atLeast committed: Int) async throws {
        try await self.waitApplied(on: .one)
        var verified = try await self.pairctl(.one, ["verify", "--full"])
        try await eventually("the copies can be compared", within: .seconds(20)) {
            // The log connection of a pair that has just come together may still be made anew.
            if verified.status == 69 {
                verified = try await self.pairctl(.one, ["verify", "--full"])
            }
            return verified.status != 69
        }
        #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
        let dumps = (try await self.dump(.one), try await self.dump(.two))
        #expect(dumps.0 == dumps.1, "the dumps differ")
        let view = try Ledger.View(try await self.sql(.two, Ledger.look).lines)
        #expect(view.isConsistent, "\(view)")
        #expect(view.counter >= committed, "\(committed) committed, \(view) on node 2")
        let check = try await self.sql(.two, "PRAGMA integrity_check;")
        #expect(check.lines == ["ok"])
    }

    /// How often a whole copy was begun, as the log of a node says.
    func seedCount(_ node: LabNode) -> Int {
        let text = (try? String(contentsOfFile: self.folder.log(node), encoding: .utf8)) ?? ""
        return text.components(separatedBy: "seed.start").count - 1
    }

    /// Lets an application write on node 1 and others read on node 2 while `body` goes on.
    ///
    /// - Returns: how many transactions the writer knows to be committed.
    func underLoad(
        rate: Int?,
        readers count: Int = 3,
        from first: Int = 1,
        _ body: @escaping @Sendable (LedgerWriter, [LedgerReader]) async throws -> Void
    ) async throws -> Int {
        let writer = LedgerWriter(try self.application(.one), from: first)
        let readers = try (0..<count).map {
            LedgerReader(try self.application(.two), name: "reader \($0 + 1)")
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await writer.run(rate: rate) }
            for reader in readers { group.addTask { try await reader.run() } }
            group.addTask {
                defer {
                    writer.stop()
                    for reader in readers { reader.stop() }
                }
                try await body(writer, readers)
            }
            try await group.waitForAll()
        }
        for reader in readers {
            #expect(reader.record.complaints == [])
            #expect(reader.record.looks > 0)
        }
        return writer.committed
    }
}

extension Ledger {
    /// Statements that make a vault large, with what cannot be compressed.
    static func bulk(mebibytes: Int) -> String {
        """
        CREATE TABLE bulk (id INTEGER PRIMARY KEY, data BLOB);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(mebibytes))
          INSERT INTO bulk SELECT i, randomblob(1048576) FROM n;
        """
    }
}
