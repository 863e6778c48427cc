import ArgumentParser
import Glibc
import PairCore

/// The flags that every verb has, written after it.
struct GlobalOptions: ParsableArguments {
    enum Output: String, ExpressibleByArgument, CaseIterable {
        case table
        case json
    }

    @Option(name: [.customShort("o"), .long], help: "table or json.")
    var output: Output = .table

    @Option(
        help: ArgumentHelp(
            "The daemon's control socket, else $PAIRCTL_SOCKET, else \(Self.standardSocket).",
            valueName: "path"
        )
    )
    var socket: String?

    @Option(
        help: ArgumentHelp(
            "How long to wait for an answer, as in 30s (default: 10s; for --wait, wait and verify --full "
                + "no limit).",
            valueName: "dur"
        )
    )
    var timeout: Interval?

    @Flag(help: "No colours; nor with NO_COLOR set, nor where the output is not a terminal.")
    var noColor = false

    static let standardSocket = "/run/paird/control.sock"

    var socketPath: String {
        if let socket { return socket }
        if let path = getenv("PAIRCTL_SOCKET").map({ String(cString: $0) }), !path.isEmpty {
            return path
        }
        return Self.standardSocket
    }

    var isColoured: Bool {
        let isUnwanted = getenv("NO_COLOR").map { $0.pointee != 0 } ?? false
        return !self.noColor && !isUnwanted && isatty(STDOUT_FILENO) == 1
    }
}

/// A duration on the command line; the unit is always written.
struct Interval: ExpressibleByArgument {
    let duration: Duration

    init(_ duration: Duration) { self.duration = duration }

    init?(argument: String) {
        guard let duration = try? Measure.duration(argument), duration > .zero else { return nil }
        self.duration = duration
    }

    var defaultValueDescription: String { Measure.text(self.duration) }
}
