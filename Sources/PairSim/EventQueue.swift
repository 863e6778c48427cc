/// What is due, in the order of time and, at one time, of asking.
struct EventQueue<Event> {
    enum Due {
        case event(Event)
        /// The timer of this number, which is now unset.
        case timer(Int)
    }

    private struct Place {
        var time: SimTime
        var order: UInt64

        func isBefore(_ other: Place) -> Bool {
            self.time != other.time ? self.time < other.time : self.order < other.order
        }
    }

    /// Small, because a heap moves its entries often; what is due lies in its slot.
    private struct Entry {
        var place: Place
        var slot: Int
    }

    private var heap: [Entry] = []
    private var slots: [Event?] = []
    private var free: [Int] = []
    private var order: UInt64 = 0
    /// Set again far more often than they come due, so they are kept out of the heap.
    private var timers: [Place?]

    /// - Parameter timers: how many there are.
    init(timers: Int) { self.timers = Array(repeating: nil, count: timers) }

    /// Makes the timer come due then, and not when it was to before.
    mutating func setTimer(_ number: Int, at time: SimTime) {
        self.order += 1
        self.timers[number] = Place(time: time, order: self.order)
    }

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
        let entry = Entry(place: Place(time: time, order: self.order), slot: slot)
        self.heap.append(entry)
        var child = self.heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard entry.place.isBefore(self.heap[parent].place) else { break }
            self.heap[child] = self.heap[parent]
            child = parent
        }
        self.heap[child] = entry
    }

    /// When the next is due.
    var nextTime: SimTime? {
        self.timers.reduce(self.heap.first?.place.time) { least, timer in
            guard let timer else { return least }
            return min(least ?? timer.time, timer.time)
        }
    }

    mutating func removeNext() -> (time: SimTime, due: Due)? {
        var first = self.heap.first?.place
        var timer: Int?
        for (number, place) in self.timers.enumerated() {
            guard let place else { continue }
            if let first, !place.isBefore(first) { continue }
            first = place
            timer = number
        }
        guard let timer, let first else { return self.removeFirst() }
        self.timers[timer] = nil
        return (first.time, .timer(timer))
    }

    private mutating func removeFirst() -> (time: SimTime, due: Due)? {
        guard let first = self.heap.first, let last = self.heap.popLast() else { return nil }
        if !self.heap.isEmpty {
            var parent = 0
            while true {
                var child = 2 * parent + 1
                guard child < self.heap.count else { break }
                if child + 1 < self.heap.count,
                    self.heap[child + 1].place.isBefore(self.heap[child].place)
                {
                    child += 1
                }
                guard self.heap[child].place.isBefore(last.place) else { break }
                self.heap[parent] = self.heap[child]
                parent = child
            }
            self.heap[parent] = last
        }
        guard let event = self.slots[first.slot].take() else { return nil }
        self.free.append(first.slot)
        return (first.place.time, .event(event))
    }
}
