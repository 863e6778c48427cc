import PairCore
import PairSim

extension Tale {
    static let all: [Tale] = [
        .failover, .tail, .switchover, .abortedSwitchover, .inDoubt, .isolatedPrimary, .dualPrimary,
        .bothRestart, .reversal, .suspension, .forced,
    ]

    private static let failover = Tale(
        "failover",
        "The primary loses its power. Node 1 persists its own epoch before it opens, after T = 14 min."
    ) { story in
        story.write(3, on: .zero)
        story.wait(.seconds(10))
        story.powerOff(.zero)
        story.wait(.minutes(16))
        story.write(2, on: .one)
    }

    private static let tail = Tale(
        "old_primary_returns_with_a_tail",
        "Node 0 dies with commits that node 1 never had: sealed, brought to node 1, then undone."
    ) { story in
        story.cut(from: [.zero])
        story.write(4, on: .zero)
        story.powerOff(.zero)
        story.cut(from: [])
        story.wait(.minutes(16))
        story.write(2, on: .one)
        story.start(.zero)
        story.wait(.minutes(6))
    }

    private static let switchover = Tale(
        "switchover",
        "The marker, then the offer, then the successor's epoch, then its gate: nothing is lost."
    ) { story in
        story.write(3, on: .zero)
        story.ask(.switchover, of: .zero)
        story.wait(.minutes(6))
        story.write(1, on: .zero)
        story.write(1, on: .one)
        story.wait(.seconds(5))
    }

    private static let abortedSwitchover = Tale(
        "switchover_called_off",
        "Node 1 is out of reach before anything was given up: node 0 serves on."
    ) { story in
        story.cut(from: [.zero, .one])
        story.ask(.switchover, of: .zero)
        story.wait(.seconds(30))
        story.write(1, on: .zero)
        story.cut(from: [])
        story.wait(.minutes(3))
    }

    private static let inDoubt = Tale(
        "in_doubt",
        "The offer is lost and node 0 restarts: it stays closed until node 1 has said what it did."
    ) { story in
        story.ask(.switchover, of: .zero)
        story.waitForClosing(of: .zero)
        story.cut(from: [.zero, .one])
        story.wait(.minutes(2))
        story.write(1, on: .zero)
        story.powerOff(.zero)
        story.start(.zero)
        story.wait(.minutes(2))
        story.write(1, on: .zero)
        story.cut(from: [])
        story.wait(.minutes(6))
    }

    private static let isolatedPrimary = Tale(
        "isolated_strict_primary",
        "Strict: cut off, node 0 closes before T is over, node 1 opens after it: never both.",
        policy: .strict
    ) { story in
        story.write(2, on: .zero)
        story.wait(.seconds(5))
        story.cut(from: [.zero, .one])
        story.wait(.minutes(13))
        story.write(1, on: .zero)
        story.wait(.minutes(4))
        story.write(1, on: .zero)
        story.write(2, on: .one)
        story.cut(from: [])
        story.wait(.minutes(6))
    }

    private static let dualPrimary = Tale(
        "two_primaries",
        "Available: both served while cut off. Both close and compare; the one with more commits survives."
    ) { story in
        story.cut(from: [.zero, .one])
        story.wait(.minutes(16))
        story.write(1, on: .zero)
        story.write(3, on: .one)
        story.cut(from: [])
        story.wait(.minutes(6))
    }

    private static let bothRestart = Tale(
        "both_restart",
        "After a power cut the primary opens only once its armed secondary has answered."
    ) { story in
        story.powerOff(.zero)
        story.powerOff(.one)
        story.wait(.minutes(3))
        story.start(.zero)
        story.wait(.minutes(1))
        story.write(1, on: .zero)
        story.start(.one)
        story.wait(.minutes(3))
        story.write(1, on: .zero)
        story.wait(.seconds(5))
    }

    private static let reversal = Tale(
        "reversal_in_two_steps",
        "disable-ha on node 0, enable-ha on node 1: the roles are exchanged without a loss."
    ) { story in
        story.ask(.disableHA(isForced: false), of: .zero)
        story.wait(.seconds(30))
        story.write(2, on: .zero)
        story.ask(.enableHA(discardingPeerVault: false), of: .one)
        story.wait(.minutes(6))
    }

    private static let suspension = Tale(
        "suspended",
        "The pledge makes node 0 sole owner of its gate; node 1 does not promote itself meanwhile."
    ) { story in
        story.ask(.suspend(for: .seconds(1800)), of: .one)
        story.wait(.seconds(30))
        story.powerOff(.zero)
        story.wait(.minutes(20))
        story.start(.zero)
        story.wait(.minutes(15))
    }

    private static let forced = Tale(
        "forced_promotion",
        "A person vouches that node 0 is down. It is not: it returns, and gives in with its tail sealed."
    ) { story in
        story.cut(from: [.zero, .one])
        story.write(2, on: .zero)
        story.ask(.promote(isForced: true), of: .one)
        story.wait(.minutes(1))
        story.write(3, on: .one)
        story.cut(from: [])
        story.wait(.minutes(6))
    }
}
