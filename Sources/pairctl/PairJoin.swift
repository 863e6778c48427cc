import ArgumentParser
import Glibc
import PairCore
import PairWire

struct PairJoin: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join",
        abstract: "Joins the node that gave a code.",
        discussion: """
            The code is asked for on the terminal and not shown, or read from a file. It is never an \
            argument: arguments can be seen by every user of the machine. Without a terminal: \
            `pairctl pair join HOST:PORT --code-file - --yes`, with the code on standard input.

            Whoever answers No when the fingerprint is to be compared is not paired any more: this \
            node gives up its trust at once, the other one when pairctl pair remove is typed there.
            """
    )

    @Argument(help: ArgumentHelp("Where the other node listens.", valueName: "host:port"))
    var address: String

    @Option(
        help: ArgumentHelp("Read the code from a file; - is standard input.", valueName: "path")
    )
    var codeFile: String?

    @Flag(help: "Do not ask for the fingerprint to be compared.")
    var yes = false

    @Flag(help: "Say what would be done, and change nothing.")
    var dryRun = false

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard HostPort(self.address) != nil else {
            throw ValidationError(
                "'\(self.address)' is not HOST:PORT; write for example 203.0.113.7:5022"
            )
        }
    }

    func run() throws {
        let code = try self.code()
        let command = ControlCommand.pairJoin(.init(address: self.address, code: code))
        let outcome = try self.global.ask(command, PairDescription.self, dryRun: self.dryRun)
        if let pair = outcome.payload {
            switch self.global.output {
            case .json: StandardOutput.write(JSON.text(pair))
            case .table: StandardOutput.write(Pair.table(pair))
            }
        }
        try outcome.end()
        if let fingerprint = outcome.payload?.fingerprint, !self.yes, self.codeFile == nil,
            !self.dryRun
        {
            try self.compare(fingerprint)
        }
    }

    private func code() throws -> String {
        guard let codeFile = self.codeFile else {
            guard let terminal = Terminal() else {
                throw ValidationError(
                    "there is no terminal to ask for the code; write --code-file - and give it on "
                        + "standard input"
                )
            }
            guard let code = terminal.secret("Code: ") else { throw ExitCode(130) }
            return code
        }
        let line =
            codeFile == "-" ? InputLine.read(from: STDIN_FILENO) : try self.line(of: codeFile)
        guard let line else { throw ValidationError("there is no code in \(codeFile)") }
        return line
    }

    private func line(of path: String) throws -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw ValidationError("\(path): \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        return InputLine.read(from: descriptor)
    }

    /// Asks the person to compare, and takes the trust back unless all is well; the keys are bound to
    /// the code in any case.
    private func compare(_ fingerprint: String) throws {
        guard let terminal = Terminal() else { return }
        let answer = terminal.ask(
            "On the other node `pairctl pair show` must say \(fingerprint). Does it? [y/N] "
        )
        guard answer?.lowercased().hasPrefix("y") != true else { return }
        let removed = try self.global.ask(.pairRemove(.init(wipeKeys: false)), ControlNothing.self)
        let outcome =
            removed.exitCode == .done
            ? "this node trusts the other no longer; type there: pairctl pair remove"
            : "this node still trusts the other (\(removed.message)); type on both: "
                + "pairctl pair remove"
        StandardError.write("pairctl: somebody may be between the nodes; \(outcome)")
        throw ExitCode(1)
    }
}
