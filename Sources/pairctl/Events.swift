import ArgumentParser
import Glibc
import PairCore
import PairWire

struct Events: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what has happened on this node since its daemon started."
    )

    @Flag(name: .shortAndLong, help: "Go on with what happens next, until Ctrl-C.")
    var follow = false

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let events = try self.fetch()
        self.show(events[...])
        guard self.follow else { return }
        var last = events.last
        while true {
            var pause = timespec(tv_sec: 0, tv_nsec: 500_000_000)
            nanosleep(&pause, nil)
            let events = try self.fetch()
            // A daemon that was started anew no longer knows the last one: then all are new.
            let known = events.lastIndex { $0 == last }.map { $0 + 1 } ?? 0
            self.show(events[known...])
            last = events.last ?? last
        }
    }

    private func fetch() throws -> [EventList.Event] {
        let outcome = try self.global.ask(
            .events(.init(follow: self.follow)),
            EventList.self
        )
        try outcome.end()
        return outcome.payload?.events ?? []
    }

    private func show(_ events: ArraySlice<EventList.Event>) {
        for event in events { StandardOutput.write(self.line(event) + "\n") }
    }

    private func line(_ event: EventList.Event) -> String {
        switch self.global.output {
        case .json: String(decoding: JSON.line(event), as: UTF8.self)
        case .table:
            ([event.at.description, event.event]
                + event.fields.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
                + (event.message.isEmpty ? [] : ["- " + event.message])).joined(separator: "  ")
        }
    }
}
