import Foundation
import PairCore
import PairStore
import PairWAL
import Testing

@Suite("Capture: an application commits")
struct CaptureTests {
    @Test(arguments: [512, 4_096, 65_536], ["OFF", "NORMAL", "FULL"])
    func `follows every commit to the byte`(pageSize: Int, synchronous: String) throws {
        let bench = try CaptureBench(pageSize: pageSize)
        try bench.startCapture()
        var reference = try bench.copy()

        try bench.python(
            """
            app = connect()
            app.execute("PRAGMA synchronous=\(synchronous)")
            for i in range(300):
                app.execute("BEGIN IMMEDIATE")
                for j in range(3):
                    app.execute("INSERT INTO t(body) VALUES(randomblob(?))", (100 + 37 * j,))
                app.execute("UPDATE t SET body=randomblob(50) WHERE id=?", (1 + i // 2,))
                app.execute("COMMIT")
            """
        )
        let end = try bench.settle()

        try reference.apply(bench.captured)
        #expect(reference.position == end)
        #expect(end.txid == TXID(10 + 300))
        #expect(try bench.finalFile() == reference.file)
        #expect(bench.events == [])
    }
}
