import ArgumentParser
import PairCore
import PairDaemon

/// The daemon's command line.
@main
struct Paird: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "paird",
        abstract: "Keeps two identical appliances' vaults the same, and one of them writable.",
        version: Release.version,
        subcommands: [Run.self, CheckConfiguration.self]
    )
}

/// Where the configuration is, and what it may say.
struct ConfigurationOptions: ParsableArguments {
    @Option(name: .long, help: "The configuration file.")
    var config = "/etc/paird/paird.yaml"

    @Flag(name: .long, help: "Permit timers below the product's ranges; every status says so.")
    var lab = false
}

/// Runs the daemon until it is told to stop.
struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Run the daemon.")

    @OptionGroup var options: ConfigurationOptions

    func run() async throws {
        let configuration = try load(self.options.config, isLab: self.options.lab)
        do {
            try await Daemon(
                configuration,
                from: Configuration.Source(path: self.options.config, isLab: self.options.lab)
            ).run()
        } catch let failure as Daemon.StartFailure {
            StandardError.write("paird: \(failure)\n")
            throw ExitCode(failure.exitCode)
        }
    }
}

/// Says whether a configuration is valid, and nothing else.
struct CheckConfiguration: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-config",
        abstract: "Check a configuration file and its mode; exit 0 or 78.",
        discussion: "The file must be 0640 or less, as for paird run."
    )

    @Argument(help: "The configuration file.")
    var file = "/etc/paird/paird.yaml"

    @Flag(name: .long, help: "Permit a lab: section.")
    var lab = false

    func run() throws { _ = try load(self.file, isLab: self.lab) }
}

/// Reads a configuration, or ends the program as its users expect.
private func load(_ file: String, isLab: Bool) throws -> Configuration {
    do {
        return try Configuration(path: file, isLab: isLab)
    } catch {
        StandardError.write("\(error)\n")
        throw ExitCode(78)
    }
}
