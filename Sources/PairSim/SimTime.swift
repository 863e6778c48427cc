/// Real time in the simulation, which no node can see: microseconds since its beginning.
package typealias SimTime = Int64

extension SimTime {
    package static func seconds(_ count: Int64) -> SimTime { count * 1_000_000 }
    package static func minutes(_ count: Int64) -> SimTime { count * 60_000_000 }
    package static func hours(_ count: Int64) -> SimTime { count * 3_600_000_000 }

    var duration: Duration {
        Duration(
            secondsComponent: self / 1_000_000,
            attosecondsComponent: self % 1_000_000 * 1_000_000_000_000
        )
    }

    /// Hours, minutes, seconds and microseconds.
    package var clockText: String {
        let seconds = self / 1_000_000
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let fraction = String(1_000_000 + self % 1_000_000).dropFirst()
        return "\(two(seconds / 3600)):\(two(seconds / 60 % 60)):\(two(seconds % 60)).\(fraction)"
    }
}
