import Dispatch
import Glibc
import Logging
import NIOCore
import NIOPosix
import PairCore
import PairHost
import PairNet
import PairStore
import PairWire
import ServiceLifecycle
import UnixSignals

/// Starts a node from its configuration, and stops it in order.
///
/// Order of the start: configuration → state folder, its lock and record → keys → the vault's path
/// → listeners → the node takes its place. So a node that is ready can be reached, and one that
/// cannot be reached has changed nothing.
package struct Daemon: Sendable {
    private let shell: NodeShell
    private let group: MultiThreadedEventLoopGroup

    /// Why the daemon does not start, with the exit code that says which kind.
    package struct StartFailure: Error, CustomStringConvertible {
        package var exitCode: Int32
        package var description: String
    }

    /// - Throws: `StartFailure`, with 78 for a configuration or a vault that can never work.
    package init(
        _ configuration: Configuration,
        from source: Configuration.Source
    ) throws(StartFailure) {
        umask(0o077)
        let level = LogLevel(
            Logger.Level(rawValue: configuration.log.level.rawValue) ?? .info,
            LogFormat(rawValue: configuration.log.format.rawValue) ?? .auto
        )
        let logger = Self.logger(level)
        let (keeper, lock) = try Self.openState(configuration)
        let identity = try Self.attempt(78) {
            try Identity.load(
                from: configuration.stateDirectory + "/keys",
                creatingMissingKeys: keeper.current.peer == nil
            )
        }
        let vault = try Self.attempt(1) { try Vault(Self.vaultConfiguration(configuration)) }
        try Self.attempt(78) { try vault.checkPlace() }
        let archives = try Self.attempt(1) {
            try ArchiveStore(directory: configuration.stateDirectory + "/tails")
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let shellBox = LateShell()
        let links = try Self.attempt(1) {
            var settings = PeerLink.Configuration(
                identity: identity,
                node: keeper.current.identity.node,
                incarnation: keeper.current.nextIncarnation(clock: WallClock.startNumber),
                listenAddress: configuration.replicationListener.host,
                listenPort: Int(configuration.replicationListener.port)
            )
            if configuration.lab != nil {
                settings.timing.longestBackoff = min(.seconds(5), configuration.timers.tick * 5)
            }
            return try PeerLink(
                configuration: settings,
                eventLoop: group.next(),
                observer: shellBox.observer
            )
        }
        let context: @Sendable () -> Logger.Metadata = { [shellBox] in shellBox.metadata }
        let shell = NodeShell(
            configuration: configuration,
            from: source,
            level: level,
            keeper: keeper,
            identity: identity,
            vault: vault,
            archives: archives,
            links: links,
            log: EventLog(logger: logger, context: context),
            gateFiles: Self.gateFiles(configuration)
        )
        shell.hold(lock)
        shellBox.set(shell)
        self.shell = shell
        self.group = group
    }

    /// Runs until SIGTERM or SIGINT; returns when everything is closed.
    ///
    /// - Throws: `StartFailure` when an address cannot be had.
    package func run() async throws {
        // One that comes before the node can take it must not end the process.
        signal(SIGHUP, SIG_IGN)
        let configuration = self.shell.configuration
        let missingGroup = configuration.missingGroup
        self.shell.log.emit(
            .daemonStart,
            level: missingGroup == nil ? .info : .warning,
            missingGroup ?? "",
            [
                "version": Release.version, "lab": "\(configuration.lab != nil)",
                "vault": configuration.vaultPath,
                "incarnation": "\(self.shell.keeper.current.incarnation)",
            ]
        )
        let listeners = try await Listeners(of: self.shell, on: self.group)
        let services = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [
                    .init(
                        service: NodeService(shell: self.shell),
                        successTerminationBehavior: .gracefullyShutdownGroup,
                        failureTerminationBehavior: .gracefullyShutdownGroup
                    ),
                    .init(
                        service: listeners,
                        failureTerminationBehavior: .gracefullyShutdownGroup
                    ),
                ],
                gracefulShutdownSignals: [.sigterm, .sigint],
                logger: Self.quiet
            )
        )
        try await services.run()
        try await self.group.shutdownGracefully()
    }

    private static func vaultConfiguration(
        _ configuration: Configuration
    ) -> Vault.Configuration {
        Vault.Configuration(
            path: configuration.vaultPath,
            logDirectory: configuration.stateDirectory + "/log",
            stateDirectory: configuration.stateDirectory,
            retentionBytes: Int(clamping: configuration.logRetention.byteCount),
            retentionAge: configuration.logRetention.age
        )
    }

    /// The gate files stand beside the control socket.
    private static func gateFiles(_ configuration: Configuration) -> GateFiles? {
        let socket = configuration.control.socket
        return socket.lastIndex(of: "/").map { GateFiles(directory: String(socket[..<$0])) }
    }

    private static let quiet = Logger(label: "lifecycle") { _ in SwiftLogNoOpLogHandler() }

    private static func logger(_ level: LogLevel) -> Logger {
        let hasJournal = getenv("JOURNAL_STREAM") != nil
        return Logger(label: "paird") { _ in LineLogHandler(level: level, hasJournal: hasJournal) }
    }

    /// Opens the state folder, refuses a second daemon on it, and counts this start.
    private static func openState(
        _ configuration: Configuration
    ) throws(StartFailure) -> (RecordKeeper, StateLock) {
        let file = try Self.attempt(78) {
            try NodeStateFile(directory: configuration.stateDirectory)
        }
        let lock = try Self.attempt(78) { try StateLock(directory: configuration.stateDirectory) }
        let loaded = try Self.attempt(1) { try file.load() }
        if let damage = loaded.damage {
            StandardError.write(
                "\(configuration.stateDirectory): one generation of node.state is damaged "
                    + "(\(damage)); the other one is used\n"
            )
        }
        var record =
            loaded.record
            ?? NodeRecord(
                identity: NodeRecord.Identity(
                    node: NodeID(high: .random(in: 0 ... .max), low: .random(in: 0 ... .max)),
                    name: "",
                    model: ""
                )
            )
        record.identity.name = configuration.nodeName ?? Machine.hostName()
        record.identity.model = configuration.model ?? Machine.productName()
        try Self.attempt(1) { try file.store(record) }
        return (RecordKeeper(file: file, record: record), lock)
    }

    private static func attempt<Value>(
        _ exitCode: Int32,
        _ work: () throws -> Value
    ) throws(StartFailure) -> Value {
        do {
            return try work()
        } catch {
            throw StartFailure(exitCode: exitCode, description: "\(error)")
        }
    }
}

/// The node's loop and its clock.
private struct NodeService: Service {
    let shell: NodeShell

    func run() async throws {
        let ticks = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "pair.tick"))
        let shell = self.shell
        ticks.schedule(
            deadline: .now(),
            repeating: .nanoseconds(Int(shell.timers.tick.inSeconds * 1e9)),
            leeway: .milliseconds(10)
        )
        ticks.setEventHandler { shell.post(.tick) }
        ticks.resume()
        let hangUp = DispatchSource.makeSignalSource(
            signal: SIGHUP,
            queue: DispatchQueue(label: "pair.reload")
        )
        hangUp.setEventHandler { shell.reload() }
        hangUp.resume()
        await withGracefulShutdownHandler {
            await NodeLoop(shell: shell).run()
        } onGracefulShutdown: {
            shell.post(.stop)
        }
        ticks.cancel()
        hangUp.cancel()
    }
}
