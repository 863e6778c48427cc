import PairCore
import Testing

@Suite("The timers")
struct TimersTests {
    @Test func `are the product's when nothing else is said`() {
        let timers = Timers(timeout: .seconds(840))

        #expect(timers.heartbeat == .seconds(130))
        #expect(timers.tick == .seconds(1))
        #expect(timers.gateMargin == .seconds(10))
        #expect(timers.peerSearch == .seconds(260))
        #expect(timers.heartbeatRepeat == .seconds(10))
        #expect(timers.suspect == .seconds(140))
        #expect(timers.connectionLoss == .seconds(5))
        #expect(timers.gap == .seconds(5))
        #expect(timers.clockTolerance == .seconds(2))
        #expect(timers.leastTimeout == .seconds(270))
    }

    @Test func `shrink together in the lab, but not below what a machine can keep`() {
        let timers = Timers(labHeartbeat: .milliseconds(300), timeout: .seconds(3))

        #expect(timers.tick == .milliseconds(30))
        #expect(timers.gateMargin == .milliseconds(150))
        #expect(timers.peerSearch == .milliseconds(600))
        #expect(timers.listening == .milliseconds(600))
        #expect(timers.heartbeatRepeat == .milliseconds(300))
        #expect(timers.suspect == .seconds(1))
        #expect(timers.connectionLoss == .seconds(1))
        #expect(timers.gap == .milliseconds(750))
        #expect(timers.clockTolerance == .milliseconds(300))
    }

    @Test(arguments: [(5, 1), (14, 5), (60, 26), (10_000, 4609)])
    func `say how many heartbeats in a row may be lost`(minutes: Int, lost: Int) {
        #expect(Timers(timeout: .seconds(minutes * 60)).heartbeatsThatMayBeLost == lost)
    }

    @Test(arguments: [100, 300, 1_000, 7_777, 130_000])
    func `leave room for one lost heartbeat at the least timeout, and not below`(heartbeat: Int) {
        let least = Timers(labHeartbeat: .milliseconds(heartbeat), timeout: .zero).leastTimeout
        let at = Timers(labHeartbeat: .milliseconds(heartbeat), timeout: least)
        let below = Timers(
            labHeartbeat: .milliseconds(heartbeat),
            timeout: least - .milliseconds(1)
        )

        #expect(at.timeout >= at.heartbeat * 2 + at.gateMargin)
        #expect(below.timeout < below.heartbeat * 2 + below.gateMargin)
    }
}

@Suite("Times, durations, sizes and addresses as text")
struct StatusTextTests {
    @Test(arguments: [
        ("2026-11-02T03:14:07.250Z", 1_793_589_247_250), ("1970-01-01T00:00:00.000Z", 0),
        ("2000-02-29T23:59:59.999Z", 951_868_799_999), ("1969-12-31T23:59:59.999Z", -1),
        ("2100-03-01T00:00:00.000Z", 4_107_542_400_000),
    ])
    func `a wall time reads as it is written`(text: String, milliseconds: Int64) {
        #expect(WallTime(millisecondsSince1970: milliseconds).description == text)
        #expect(WallTime(text) == WallTime(millisecondsSince1970: milliseconds))
    }

    @Test(arguments: ["", "2026-11-02", "2026-11-02T03:14:07", "2026-13-02T03:14:07Z", "x"])
    func `a text that is no time is not read as one`(text: String) {
        #expect(WallTime(text) == nil)
    }

    @Test func `a duration has a unit`() throws {
        #expect(try Measure.duration("250ms") == .milliseconds(250))
        #expect(try Measure.duration("14m") == .seconds(840))
        #expect(throws: Measure.Problem.noUnit) { try Measure.duration("14") }
        #expect(throws: Measure.Problem.unknownUnit("M")) { try Measure.duration("14M") }
        #expect(throws: Measure.Problem.notANumber) { try Measure.duration("-1s") }
        #expect(throws: Measure.Problem.tooLarge) { try Measure.duration("99999999999999999d") }
        #expect(Measure.text(.seconds(840)) == "14m")
        #expect(Measure.text(.seconds(90)) == "90s")
        #expect(Measure.text(.zero) == "0ms")
    }

    @Test func `a size has a unit`() throws {
        #expect(try Measure.byteCount("2GiB") == 2 << 30)
        #expect(throws: Measure.Problem.unknownUnit("MB")) { try Measure.byteCount("2MB") }
        #expect(throws: Measure.Problem.tooLarge) { try Measure.byteCount("9999999999999GiB") }
        #expect(Measure.text(byteCount: 512 << 20) == "512MiB")
    }

    @Test(arguments: ["10.0.0.1:5022", "ams-1.example:5022", "[2001:db8::7]:5022"])
    func `an address reads as it is written`(text: String) {
        #expect(HostPort(text)?.description == text)
    }

    @Test(arguments: [
        "10.0.0.1", ":5022", "a:0", "a:65536", "a b:1", "2001:db8::7:5022", "[]:1", "a:+1",
    ])
    func `a text that is no address is not read as one`(text: String) {
        #expect(HostPort(text) == nil)
    }

    @Test func `an address is numeric when no name service is needed`() {
        #expect(HostPort("10.0.0.1:1")?.isNumeric == true)
        #expect(HostPort("[::1]:1")?.isNumeric == true)
        #expect(HostPort("10.0.0.256:1")?.isNumeric == false)
        #expect(HostPort("localhost:1")?.isNumeric == false)
    }
}
