/// Real time in the simulation, which no node can see: microseconds since its beginning.
package typealias SimTime = Int64

extension SimTime {
    package static func seconds(_ count: Int64) -> SimTime { count * 1_000_000 }
    package static func minutes(_ count: Int64) -> SimTime { count * 60_000_000 }
    package static func hours(_ count: Int64) -> SimTime { count * 3_600_000_000 }

    /// Hours, minutes, seconds and microseconds.
    package var clockText: String {
        let seconds = self / 1_000_000
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let fraction = String(1_000_000 + self % 1_000_000).dropFirst()
        return "\(two(seconds / 3600)):\(two(seconds / 60 % 60)):\(two(seconds % 60)).\(fraction)"
    }
}

/// What is due, in the order of time and, at one time, of asking.
struct EventQueue<Event> {
    private struct Entry {
        var time: SimTime
        var order: UInt64
        var event: Event

        func isBefore(_ other: Entry) -> Bool {
            (self.time, self.order) < (other.time, other.order)
        }
    }

    private var heap: [Entry] = []
    private var order: UInt64 = 0

    var isEmpty: Bool { self.heap.isEmpty }
    var nextTime: SimTime? { self.heap.first?.time }

    mutating func add(_ event: Event, at time: SimTime) {
        self.order += 1
        self.heap.append(Entry(time: time, order: self.order, event: event))
        var child = self.heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard self.heap[child].isBefore(self.heap[parent]) else { break }
            self.heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func removeNext() -> (time: SimTime, event: Event)? {
        guard let first = self.heap.first else { return nil }
        let last = self.heap.removeLast()
        if !self.heap.isEmpty {
            self.heap[0] = last
            var parent = 0
            while true {
                let left = 2 * parent + 1
                guard left < self.heap.count else { break }
                let right = left + 1
                let child =
                    right < self.heap.count && self.heap[right].isBefore(self.heap[left])
                    ? right : left
                guard self.heap[child].isBefore(self.heap[parent]) else { break }
                self.heap.swapAt(child, parent)
                parent = child
            }
        }
        return (first.time, first.event)
    }
}
