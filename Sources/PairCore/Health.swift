/// What the health listener says about a node at this moment.
///
/// One rule stands above the table: `/primary` answers 200 exactly when the gate is open, because
/// a load balancer that is sent to a closed gate loses requests, and one that is kept from an open
/// gate loses the service.
///
///     word       states                                              primary secondary ready live
///     PRIMARY    the gate is open                                    200     503       200   200
///     SECONDARY  secondary that is streaming or suspect              503     200       200   200
///     WAIT       starting, looking-for-peer, seeding, catching-up,
///                promoting; a primary whose gate is not open yet     503     503       503   200
///     DRAIN      draining, in-doubt                                  503     503       503   200
///     NONE       unpaired, paired, parked                            503     503       503   200
///     FENCED     fenced, superseded, hold, quarantined               503     503       503   200
///     FAILED     failed                                              503     503       503   200
///     STALE      the node loop has stalled                           503     503       503   503
package enum Health: String, Hashable, Sendable, CaseIterable {
    case primary = "PRIMARY"
    case secondary = "SECONDARY"
    case wait = "WAIT"
    case drain = "DRAIN"
    case none = "NONE"
    case fenced = "FENCED"
    case failed = "FAILED"
    case stale = "STALE"

    /// How long the node loop may be silent before nothing it said is believed.
    package static let stall = Duration.seconds(3)

    /// What a load balancer can ask.
    package enum Question: Hashable, Sendable, CaseIterable {
        case primary
        case secondary
        case ready
        case live

        /// `nil` for a path that is none of them.
        package init?(path: String) {
            switch path {
            case "/", "/health", "/primary": self = .primary
            case "/secondary": self = .secondary
            case "/ready": self = .ready
            case "/live": self = .live
            default: return nil
            }
        }
    }

    /// What to answer when the node loop completed a turn `silence` ago.
    package init(role: Role, state: NodeState, gate: GateState, silence: Duration) {
        guard silence <= Self.stall else {
            self = .stale
            return
        }
        guard gate != .open else {
            self = .primary
            return
        }
        self =
            switch state {
            case .streaming, .suspect: role == .secondary ? .secondary : .wait
            case .starting, .lookingForPeer, .seeding, .catchingUp, .promoting, .serving, .alone:
                .wait
            case .draining, .inDoubt: .drain
            case .unpaired, .paired, .parked: .none
            case .fenced, .superseded, .hold, .quarantined: .fenced
            case .failed: .failed
            }
    }

    /// The HTTP status of the answer: 200 for yes, 503 for no.
    package func status(_ question: Question) -> Int {
        let isYes =
            switch question {
            case .primary: self == .primary
            case .secondary: self == .secondary
            case .ready: self == .primary || self == .secondary
            case .live: self != .stale
            }
        return isYes ? 200 : 503
    }

    /// The one line of the body, without its end.
    package var body: String { "PAIRD=\(self.rawValue)" }
}
