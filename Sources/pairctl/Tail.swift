import ArgumentParser
import PairCore
import PairWire

struct Tail: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The archives of what a lost node had accepted alone.",
        subcommands: [TailListing.self]
    )
}

struct TailListing: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Lists the archives that nobody has disposed of.",
        discussion: "With none it says so on standard error, and standard output stays empty."
    )

    @OptionGroup var global: GlobalOptions

    func run() throws {
        try self.global.list(.tailList, TailList.self, \.tails, none: "no archives") { tail in
            "\(tail.id)  \(tail.at.minute) UTC  \(tail.node)  \(tail.extent)  "
                + StatusText.size(tail.bytes)
        }
    }
}
