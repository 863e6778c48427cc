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
    /// Small, because a heap moves its entries often; what is due lies in its slot.
    private struct Entry {
        var time: SimTime
        var order: UInt64
        var slot: Int

        func isBefore(_ other: Entry) -> Bool {
            self.time != other.time ? self.time < other.time : self.order < other.order
        }
    }

    private var heap: [Entry] = []
    private var slots: [Event?] = []
    private var free: [Int] = []
    private var order: UInt64 = 0

    mutating func add(_ event: Event, at time: SimTime) {
        self.order += 1
        let slot: Int
        if let reused = self.free.popLast() {
            slot = reused
            self.slots[slot] = event
        } else {
            slot = self.slots.count
            self.slots.append(event)
        }
        let entry = Entry(time: time, order: self.order, slot: slot)
        self.heap.append(entry)
        var child = self.heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard entry.isBefore(self.heap[parent]) else { break }
            self.heap[child] = self.heap[parent]
            child = parent
        }
        self.heap[child] = entry
    }

    mutating func removeNext() -> (time: SimTime, event: Event)? {
        guard let first = self.heap.first, let last = self.heap.popLast() else { return nil }
        if !self.heap.isEmpty {
            var parent = 0
            while true {
                var child = 2 * parent + 1
                guard child < self.heap.count else { break }
                if child + 1 < self.heap.count, self.heap[child + 1].isBefore(self.heap[child]) {
                    child += 1
                }
                guard self.heap[child].isBefore(last) else { break }
                self.heap[parent] = self.heap[child]
                parent = child
            }
            self.heap[parent] = last
        }
        guard let event = self.slots[first.slot] else { return nil }
        self.slots[first.slot] = nil
        self.free.append(first.slot)
        return (first.time, event)
    }
}
