package import PairCore

/// A history that somebody wrote: only what is told happens, and the network loses nothing.
///
/// The machines and the promises are those of every other simulation. Begins with node 0 serving and
/// node 1 armed.
package struct Story {
    private var simulation: Simulation

    package init(policy: FailoverPolicy = .available) {
        var scenario = Scenario(seed: 1)
        scenario.policy = policy
        scenario.timeout = .seconds(840)
        scenario.hasReach = false
        scenario.changesTimeout = false
        self.simulation = Simulation(scenario, recordingTranscript: true)
        self.simulation.isStory = true
        self.simulation.faultsAreOver = true
        for bit in [NodeBit.zero, .one] { self.simulation.startDaemon(bit) }
        self.wait(.seconds(2))
        self.ask(.standalone, of: .zero)
        self.write(2, on: .zero)
        self.wait(.seconds(5))
        self.ask(.enableHA(discardingPeerVault: false), of: .zero)
        self.wait(.minutes(5))
        self.simulation.transcript = []
        self.tellStates()
    }

    package mutating func wait(_ time: SimTime) {
        self.simulation.pass(until: self.simulation.now + time)
    }

    package mutating func ask(_ verb: Request.Verb, of bit: NodeBit) {
        self.simulation.ask(self.simulation.newRequest(verb), on: bit)
    }

    /// Applications commit, if they can.
    package mutating func write(_ count: Int, on bit: NodeBit) {
        let node = self.simulation.nodes[Int(bit.rawValue)]
        for _ in 0..<count {
            guard node.acceptsWrites else {
                self.simulation.note("application on node \(bit.rawValue): cannot write")
                return
            }
            self.simulation.commit(on: bit)
        }
        self.simulation.note("application on node \(bit.rawValue): \(count) commits")
    }

    /// Until somebody starts it again.
    package mutating func powerOff(_ bit: NodeBit) {
        self.simulation.crash(bit, wholeMachine: true, because: "told so")
    }

    package mutating func start(_ bit: NodeBit) {
        self.simulation.note("node \(bit.rawValue): starts")
        self.simulation.startDaemon(bit)
    }

    /// Nothing passes from these nodes, to begin with the next message; an empty list mends all.
    package mutating func cut(from bits: [NodeBit]) {
        let blocked = [bits.contains(.zero), bits.contains(.one)]
        self.simulation.isBlocked = blocked
        self.simulation.note("network blocks \(blocked)")
    }

    /// Stops at the instant at which the node has begun to close its gate.
    package mutating func waitForClosing(of bit: NodeBit) {
        let node = self.simulation.nodes[Int(bit.rawValue)]
        let end = self.simulation.now + .minutes(1)
        while node.daemon?.gate != .closing, let next = self.simulation.queue.nextTime, next <= end
        {
            self.simulation.pass(until: next)
        }
    }

    package mutating func tellStates() {
        for node in self.simulation.nodes {
            self.simulation.note(
                "node \(node.bit.rawValue) is \(node.record.role.rawValue), "
                    + "\(node.daemon?.failover.nodeState.rawValue ?? "down"), "
                    + "\(node.acceptsWrites ? "open" : "closed"), at \(node.vault.position)"
                    + "\(node.record.arming.isArmed ? ", armed" : "")"
                    + "\(node.record.tails.isEmpty ? "" : ", \(node.record.tails.count) tails")"
            )
        }
    }

    /// What happened, without the talk that changed nothing.
    package var lines: [String] {
        let talk: Set<Substring> = [
            "probe", "statement", "heartbeat", "acknowledgement", "report heartbeat rejected",
            "locate",
        ]
        return (self.simulation.transcript ?? []).filter { line in
            guard line.contains("] "), !line.contains(" -> "), !line.contains("network") else {
                return true
            }
            let effects = line.split(separator: ": ").last?.split(separator: ", ") ?? []
            return !effects.allSatisfy { talk.contains($0) || $0.hasPrefix("statement offering") }
        }
    }
}
