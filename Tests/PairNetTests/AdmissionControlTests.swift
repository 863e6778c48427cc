import NIOCore
import PairCore
import PairNet
import TestThreads
import Testing

@Suite("Admission: strangers at the door", .partOfMachine)
struct AdmissionControlTests {
    private let start = Instant(sinceStart: .seconds(100))

    private func source(_ number: UInt8) throws -> SocketAddress.Source {
        try SocketAddress(ipAddress: "192.0.2.\(number)", port: 1).source
    }

    @Test func `lets sixteen handshakes run, four of them from one source`() throws {
        var admission = AdmissionControl()
        for number in 1...4 as ClosedRange<UInt8> {
            for _ in 0..<4 { _ = try admission.admit(self.source(number), at: self.start) }
            if number < 4 {
                #expect(throws: AdmissionControl.Refusal.tooManyFromSource) {
                    try admission.admit(self.source(number), at: self.start)
                }
            }
        }

        #expect(throws: AdmissionControl.Refusal.tooManyHandshakes) {
            try admission.admit(self.source(5), at: self.start)
        }
    }

    @Test func `keeps four more for the peer's addresses`() throws {
        var admission = AdmissionControl()
        admission.expectPeer(from: [try self.source(9)])
        for number in 1...4 as ClosedRange<UInt8> {
            for _ in 0..<4 { _ = try admission.admit(self.source(number), at: self.start) }
        }

        for _ in 0..<4 { _ = try admission.admit(self.source(9), at: self.start) }

        #expect(throws: AdmissionControl.Refusal.tooManyHandshakes) {
            try admission.admit(self.source(9), at: self.start)
        }
    }

    @Test func `has room again for each slot that is given back`() throws {
        var admission = AdmissionControl()
        var slots: [AdmissionControl.Slot] = []
        for number in 1...4 as ClosedRange<UInt8> {
            for _ in 0..<4 {
                slots.append(try admission.admit(self.source(number), at: self.start))
            }
        }

        for slot in slots { admission.release(slot) }

        for number in 5...8 as ClosedRange<UInt8> {
            for _ in 0..<4 { _ = try admission.admit(self.source(number), at: self.start) }
        }
    }

    @Test func `lets a source come so often at once, and so often in the long run`() throws {
        var limits = AdmissionControl.Limits()
        limits.burst = 3
        limits.perSecond = 2
        var admission = AdmissionControl(limits: limits)
        let source = try self.source(1)
        for _ in 0..<3 { admission.release(try admission.admit(source, at: self.start)) }

        #expect(throws: AdmissionControl.Refusal.tooOften) {
            try admission.admit(source, at: self.start)
        }
        let later = self.start + .seconds(1)
        for _ in 0..<2 { admission.release(try admission.admit(source, at: later)) }
        #expect(throws: AdmissionControl.Refusal.tooOften) {
            try admission.admit(source, at: later)
        }
    }

    @Test func `counts all addresses of one IPv6 network as one source, and mapped ones as IPv4`()
        throws
    {
        let one = try SocketAddress(ipAddress: "2001:db8:1:2::1", port: 1).source
        let other = try SocketAddress(ipAddress: "2001:db8:1:2:ffff::9", port: 2).source
        let foreign = try SocketAddress(ipAddress: "2001:db8:1:3::1", port: 1).source
        let mapped = try SocketAddress(ipAddress: "::ffff:192.0.2.7", port: 1).source

        #expect(one == other)
        #expect(one != foreign)
        #expect(mapped == (try self.source(7)))
    }

    @Test func `forgets old sources, but never one that has a handshake running`() throws {
        var limits = AdmissionControl.Limits()
        limits.rememberedSources = 8
        limits.handshakes = 1000
        var admission = AdmissionControl(limits: limits)
        let busy = try self.source(1)
        for _ in 0..<4 { _ = try admission.admit(busy, at: self.start) }

        for number in 2...200 as ClosedRange<UInt8> {
            let now = self.start + .seconds(Int(number))
            admission.release(try admission.admit(self.source(number), at: now))
        }

        #expect(throws: AdmissionControl.Refusal.tooManyFromSource) {
            try admission.admit(busy, at: self.start + .seconds(300))
        }
    }
}
