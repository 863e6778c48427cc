import Dispatch
import Logging
import PairCore
import PairHost
import PairNet
import PairStore
import PairWire
import Synchronization

/// What a node's loop acts with: the world, and the places where others look at the node.
final class NodeShell: Sendable {
    let keeper: RecordKeeper
    let identity: Identity
    let vault: Vault
    let links: PeerLink
    let router = LogRouter()
    let figures = LiveFigures()
    let view = NodeView()
    let metrics = Metrics()
    let log: EventLog
    let notifier = SystemdNotifier()
    let gateFiles: GateFiles?
    let queue = EventQueue<NodeEvent>(mostRepeated: 8192) { $0.isRepeated }
    let archives: ArchiveStore
    let vaultQueue = DispatchQueue(label: "pair.vault", qos: .userInitiated)
    /// Reads a whole vault, which takes long and must keep nothing else waiting.
    let scanQueue = DispatchQueue(label: "pair.scan", qos: .utility)
    /// Asks others whether this node can be reached.
    let probeQueue = DispatchQueue(label: "pair.probe", qos: .userInitiated)
    /// Waits for layer 1, for as long as an application holds it.
    let gateQueue = DispatchQueue(label: "pair.gate", qos: .userInitiated)
    /// Random per start.
    let bootID: UInt64
    private let running: Mutex<Configuration>
    private let source: Configuration.Source
    private let level: LogLevel
    private let start = ContinuousClock.now
    /// When this process started, in seconds since 1970.
    let startedWallSeconds = WallClock.seconds
    private let shown = Mutex(false)
    private let locks = Mutex<[StateLock]>([])
    private let lost = Atomic<Int>(0)

    init(
        configuration: Configuration,
        from source: Configuration.Source,
        level: LogLevel,
        keeper: RecordKeeper,
        identity: Identity,
        vault: Vault,
        archives: ArchiveStore,
        links: PeerLink,
        log: EventLog,
        gateFiles: GateFiles?
    ) {
        self.running = Mutex(configuration)
        self.source = source
        self.level = level
        self.keeper = keeper
        self.identity = identity
        self.vault = vault
        self.archives = archives
        self.links = links
        self.log = log
        self.gateFiles = gateFiles
        self.bootID = UInt64.random(in: .min ... .max)
    }

    /// As it is in force now.
    var configuration: Configuration { self.running.withLock { $0 } }

    /// Reads the configuration file again and takes over what can change while the node runs.
    ///
    /// A file with a mistake changes nothing.
    func reload() {
        do {
            let read = try Configuration(path: self.source.path, isLab: self.source.isLab)
            let old = self.configuration
            let taken = read.reloaded(over: old)
            self.running.withLock { $0 = taken }
            self.level.set(
                Logger.Level(rawValue: taken.log.level.rawValue) ?? .info,
                LogFormat(rawValue: taken.log.format.rawValue) ?? .auto
            )
            self.post(.reconfigured)
            let kept = read.keysNeedingRestart(comparedWith: old)
            self.log.emit(
                .configReloaded,
                kept.isEmpty
                    ? "" : "restart needed, old value kept: " + kept.joined(separator: ", ")
            )
        } catch {
            self.log.emit(.configRejected, level: .error, "\(error)")
        }
    }

    /// Keeps `lock` held as long as the node lives.
    func hold(_ lock: StateLock) { self.locks.withLock { $0.append(lock) } }

    var timers: Timers { self.configuration.timers }

    var now: Instant { Instant(sinceStart: ContinuousClock.now - self.start) }

    var gateFilesShown: Bool {
        get { self.shown.withLock { $0 } }
        set { self.shown.withLock { $0 = newValue } }
    }

    /// Tells the peer link whom to expect and where, as the record says.
    func applyPeer() {
        guard let peer = self.keeper.current.peer, let pin = KeyPin(peer.keyPin) else {
            return self.links.setPeer(nil)
        }
        let configured = self.configuration.peerAddresses.map {
            PeerAddress(host: $0.host, port: Int($0.port))
        }
        let learnt = PeerAddress(peer.address).map { [$0] } ?? []
        self.links.setPeer(
            PeerLink.Peer(
                pair: peer.pair,
                node: peer.node,
                pin: pin,
                ownBit: peer.bit,
                addresses: configured.isEmpty ? learnt : configured,
                minimumProtocol: peer.minimumProtocol
            )
        )
    }

    /// Has the loop make a pairing durable; returns when it is, or why it is not.
    func keep(_ result: PairingResult) async throws(PairingRefusal) {
        let refusal = await withCheckedContinuation { continuation in
            self.post(.paired(result, done: { continuation.resume(returning: $0) }))
        }
        if let refusal { throw refusal }
    }

    /// Runs what must not hold the loop up and ends by itself: the wait for another node's answer.
    func detached(_ work: @escaping @Sendable () async -> Void) {
        _ = Task { await work() }
    }

    /// Puts an event into the loop's queue; a full one is itself news.
    func post(_ event: NodeEvent) { _ = self.offer(event) }

    /// Puts an event into the loop's queue.
    ///
    /// - Returns: whether there was room.
    func offer(_ event: NodeEvent) -> Bool {
        guard !self.queue.offer(event) else { return true }
        let count = self.lost.add(1, ordering: .relaxed).newValue
        self.metrics.count(.eventsLost)
        if count == 1 {
            self.log.emit(.storageError, level: .error, "the node's queue is full")
        }
        return false
    }
}

/// The node as others may see it at any moment: the health listener, above all.
final class NodeView: Sendable {
    struct Facts: Sendable {
        var role = Role.none
        var state = NodeState.starting
        var gate = GateState.unmanaged
        var epoch = Epoch.none
        var failover: Failover?
    }

    private struct State {
        var facts = Facts()
        var lastTurn: Instant?
        var isPeerUp = false
        var statusJSON: String?
        var tailCount = 0
        var verifiedAt: Int64 = 0
    }

    private let inner = Mutex(State())

    var facts: Facts { self.inner.withLock { $0.facts } }

    func publish(_ facts: Facts, isPeerUp: Bool) {
        self.inner.withLock { state in
            state.facts = facts
            state.isPeerUp = isPeerUp
        }
    }

    func completeTurn(at now: Instant) { self.inner.withLock { $0.lastTurn = now } }

    /// How long ago the loop last completed a turn.
    func silence(at now: Instant) -> Duration {
        self.inner.withLock { $0.lastTurn.map { now - $0 } ?? .zero }
    }

    var tailCount: Int { self.inner.withLock { $0.tailCount } }

    func show(tailCount: Int) { self.inner.withLock { $0.tailCount = tailCount } }

    /// When the last verify ended, in seconds since 1970; 0 for none since the start.
    var verifiedAt: Int64 { self.inner.withLock { $0.verifiedAt } }

    func show(verifiedAt: Int64) { self.inner.withLock { $0.verifiedAt = verifiedAt } }

    /// The status report as JSON, as of the last tick.
    var statusJSON: String? { self.inner.withLock { $0.statusJSON } }

    func show(statusJSON: String) { self.inner.withLock { $0.statusJSON = statusJSON } }

    var isPeerUp: Bool { self.inner.withLock { $0.isPeerUp } }
}
