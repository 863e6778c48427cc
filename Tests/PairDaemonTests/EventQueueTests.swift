import PairDaemon
import Testing

@Suite("The queue of a loop")
struct EventQueueTests {
    private let queue = EventQueue<Int>(mostRepeated: 3) { $0 < 10 }

    @Test func `turns away what will be said again, and nothing else`() async {
        #expect([1, 2, 3].allSatisfy { self.queue.offer($0) })

        #expect(!self.queue.offer(4))
        #expect(self.queue.offer(10))
        #expect(self.queue.offer(11))

        var events = self.queue.events.makeAsyncIterator()
        var taken: [Int] = []
        while taken.count < 5, let event = await events.next() { taken.append(event) }
        #expect(taken == [1, 2, 3, 10, 11])
    }

    @Test func `has room again when the loop has taken enough`() {
        for event in [1, 2, 3, 10] { _ = self.queue.offer(event) }
        self.queue.noteTaken()
        #expect(!self.queue.offer(4))

        self.queue.noteTaken()

        #expect(self.queue.offer(4))
    }
}
