import PairCore
import Testing

@Suite("Rejoin: the table")
struct RejoinTests {
    @Test func `streams after a reboot and fast-forwards across a change of primary`() {
        #expect(
            Rejoin(hasVault: true, equalAt: .ownPosition(epochChanged: false), logIsKept: true)
                == .stream
        )
        #expect(
            Rejoin(hasVault: true, equalAt: .ownPosition(epochChanged: true), logIsKept: true)
                == .fastForward
        )
    }

    @Test(arguments: [true, false])
    func `takes a delta where the log was pruned, without sealing`(epochChanged: Bool) {
        #expect(
            Rejoin(
                hasVault: true,
                equalAt: .ownPosition(epochChanged: epochChanged),
                logIsKept: false
            ) == .delta(sealingImage: false)
        )
    }

    @Test(arguments: [true, false])
    func `seals whatever the joiner alone has`(logIsKept: Bool) {
        let afterFork = Rejoin(hasVault: true, equalAt: .fork, logIsKept: logIsKept)
        let nowhere = Rejoin(
            hasVault: true,
            equalAt: .nowhere,
            logIsKept: logIsKept
        )

        #expect(afterFork == .undoTail)
        #expect(afterFork.sealsTail)
        #expect(nowhere == .delta(sealingImage: true))
        #expect(nowhere.sealsTail)
    }

    @Test func `seeds an empty disk`() {
        #expect(Rejoin(hasVault: false, equalAt: .fork, logIsKept: true) == .seed)
        #expect(!Rejoin.seed.keepsContent)
    }
}

@Suite("Two primaries")
struct DualPrimaryTests {
    static let claims: [DualPrimary.Claim] = [4, 5, 6, 7].flatMap { epoch in
        [0, 1, 9].flatMap { commits in
            [true, false].map {
                DualPrimary.Claim(
                    epoch: Epoch(rawValue: epoch),
                    commits: commits,
                    gateWasOpen: $0
                )
            }
        }
    }

    @Test(arguments: Self.claims)
    func `come to the same answer, and never both give in`(mine: DualPrimary.Claim) {
        for theirs in Self.claims where theirs.epoch != mine.epoch {
            let here = DualPrimary(mine: mine, theirs: theirs)
            let there = DualPrimary(mine: theirs, theirs: mine)
            #expect((here == .survive) == (there == .yield))
        }
    }

    @Test(arguments: Self.claims)
    func `only ever gain by writing or opening`(mine: DualPrimary.Claim) {
        var stronger = mine
        stronger.commits += 1
        stronger.gateWasOpen = true

        for theirs in Self.claims where theirs.epoch != mine.epoch {
            guard DualPrimary(mine: mine, theirs: theirs) == .survive else { continue }
            #expect(DualPrimary(mine: stronger, theirs: theirs) == .survive)
        }
    }

    @Test func `the one that serves stays, whatever the other's tail`() {
        let serving = DualPrimary.Claim(
            epoch: Epoch(rawValue: 5),
            commits: 1,
            gateWasOpen: true
        )
        let returning = DualPrimary.Claim(
            epoch: Epoch(rawValue: 4),
            commits: 10_000,
            gateWasOpen: false
        )

        #expect(DualPrimary(mine: serving, theirs: returning) == .survive)
    }
}
