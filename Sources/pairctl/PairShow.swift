import ArgumentParser
import PairCore
import PairWire

struct PairShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Shows both nodes and the fingerprint that must be the same on both."
    )

    @OptionGroup var global: GlobalOptions

    func run() throws {
        try self.global.run(.pairShow, PairDescription.self, table: Pair.table)
    }
}
