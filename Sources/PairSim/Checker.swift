package import PairCore

/// Something that has happened in the simulation and that a promise may be about.
package enum Observation: Sendable {
    indirect case persisted(NodeBit, NodeRecord)
    /// Told its daemon's gate effect, or found so at a start.
    case gateOpened(NodeBit, Epoch)
    case promoted(NodeBit, EpochCause)
    case wrote(NodeBit, SimTransaction)
    case sent(NodeBit, PeerMessage)
    /// Transactions left a vault: rolled back, or copied over.
    case destroyed(NodeBit, [SimTransaction])
    case handled(NodeBit)
    /// The last fault is long past.
    case settled

    package enum Kind: Int, CaseIterable, Sendable {
        case persisted, gateOpened, promoted, wrote, sent, destroyed, handled, settled
    }

    var kind: Kind {
        switch self {
        case .persisted: .persisted
        case .gateOpened: .gateOpened
        case .promoted: .promoted
        case .wrote: .wrote
        case .sent: .sent
        case .destroyed: .destroyed
        case .handled: .handled
        case .settled: .settled
        }
    }
}

/// A promise that must hold at every step of every history.
package protocol Checker {
    /// The only observations that it is asked about.
    static var watched: Set<Observation.Kind> { get }

    /// - Returns: what is wrong, or `nil`.
    mutating func check(_ observation: Observation, in simulation: borrowing Simulation) -> String?
}

package struct Violation: Error, Sendable, CustomStringConvertible {
    package var seed: UInt64
    package var time: SimTime
    package var checker: String
    package var text: String

    package var description: String {
        "\(self.checker) at \(self.time.clockText): \(self.text)\n"
            + "repeat with: swift run pair-sim --seed \(self.seed)"
    }
}
