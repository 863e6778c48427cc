import Foundation
import PairCore
import PairStore
import PairWAL
import Testing

/// A vault with a divergent tail, closed and at rest, and a folder for archives on each node.
final class ArchiveBench: Sendable {
    let source: CaptureBench
    let folder: TemporaryFolder
    /// What both nodes have.
    let fork: Position
    /// What only this one has.
    let end: Position
    /// The vault at ``end``, as a file.
    let file: Data

    /// - Parameters:
    ///   - shared: transactions that the survivor has too.
    ///   - own: transactions after the fork.
    init(pageSize: Int = 4_096, shared: Int = 5, own: Int = 7) throws {
        self.folder = try TemporaryFolder()
        self.source = try CaptureBench(pageSize: pageSize)
        try self.source.startCapture()
        var reference = try self.source.copy()
        try Self.commit(shared, "shared", self.source)
        self.fork = try self.source.settle()
        try Self.commit(own, "own", self.source)
        self.end = try self.source.settle()
        try reference.apply(self.source.captured)
        self.file = reference.file
        try self.source.vault.closeGate(timeout: .seconds(10))
        self.source.vault.stop()
        try self.source.vault.setMarker(true)
    }

    static func commit(_ count: Int, _ text: String, _ source: CaptureBench) throws {
        guard count > 0 else { return }
        try source.python(
            """
            app = connect()
            for i in range(\(count)):
                app.execute("INSERT INTO t(body) VALUES(?)", ("\(text)" + "x" * 900,))
            """
        )
    }

    func store(
        _ name: String = "tails",
        leavingFree reserve: UInt64 = 1 << 20
    ) throws -> ArchiveStore {
        try ArchiveStore(directory: self.folder(name), leavingFree: reserve)
    }

    static let lineage = Lineage([
        LineageEntry(
            epoch: Epoch(rawValue: 2),
            owner: .zero,
            fork: .start,
            cause: .enable,
            wallSeconds: 1_793_000_000
        )
    ])

    func seal(
        in store: ArchiveStore,
        node: NodeBit = .one,
        nodeName: String = "appliance-b",
        after fork: Position?,
        wallSeconds: Int64 = 1_793_500_000
    ) throws -> NodeRecord.Tail {
        try store.seal(
            self.source.vault,
            node: node,
            nodeName: nodeName,
            after: fork,
            to: self.end,
            lineage: Self.lineage,
            wallSeconds: wallSeconds
        )
    }

    /// The names in a store's folder, hidden ones included.
    static func names(_ store: ArchiveStore) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: store.directory).sorted()
    }
}

extension ArchiveStore {
    func content(_ id: String, _ file: String) throws -> Data {
        try Data(contentsOf: URL(fileURLWithPath: self.path(of: id) + "/" + file))
    }

    func replace(_ id: String, _ file: String, with data: Data) throws {
        try data.write(to: URL(fileURLWithPath: self.path(of: id) + "/" + file))
    }
}
