import ArgumentParser
import PairCore
import PairWire

struct History: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows every change of primary that this node remembers."
    )

    @OptionGroup var global: GlobalOptions

    func run() throws {
        try self.global.list(.history, HistoryList.self, \.changes) { change in
            "\(change.at.minute) UTC  epoch \(change.epoch)  \(change.owner)  "
                + "\(change.story)  after \(change.fork)"
        }
    }
}
