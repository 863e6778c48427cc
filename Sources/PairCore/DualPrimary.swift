/// Which of two primaries survives when they meet (protocol.md, section 13).
///
///     rule  commits since the fork   gate was open      survivor
///     –     one side has lost its vault  –              the other
///     0     one side has none        –                  the other: nothing is lost
///     0     neither has any          –                  the higher epoch
///     3     both have                on one side        that side: it serves
///     4     both have                on both            more commits, if equal the higher epoch
///     –     both have                on neither         the higher epoch: it served last
///
/// A vault that was put in the place of the pair's holds none of its commits: the other side counts all
/// that it has, and the higher epoch of the replacement is no claim.
///
/// Both nodes compute it from the same two claims. A claim only ever gets stronger while its node
/// runs and its nonce is the same (commits are added, a gate opens), and a node gives in only with
/// its own gate closed; therefore no two nodes ever give in to each other.
package enum DualPrimary: Hashable, Sendable {
    case survive
    case yield

    package struct Claim: Hashable, Sendable {
        package var epoch: Epoch
        /// Transactions after the fork.
        package var commits: UInt64
        package var gateWasOpen: Bool
        package var hasVault: Bool
        /// Another vault was put in the place of the one that both knew.
        package var isReplaced: Bool

        package init(
            epoch: Epoch,
            commits: UInt64,
            gateWasOpen: Bool,
            hasVault: Bool = true,
            isReplaced: Bool = false
        ) {
            self.epoch = epoch
            self.commits = commits
            self.gateWasOpen = gateWasOpen
            self.hasVault = hasVault
            self.isReplaced = isReplaced
        }
    }

    package init(mine: Claim, theirs: Claim) {
        guard mine.hasVault == theirs.hasVault else {
            self = mine.hasVault ? .survive : .yield
            return
        }
        let newer =
            mine.isReplaced == theirs.isReplaced
            ? mine.epoch > theirs.epoch : theirs.isReplaced
        let survives =
            switch (mine.commits > 0, theirs.commits > 0, mine.gateWasOpen, theirs.gateWasOpen) {
            case (false, true, _, _): false
            case (true, false, _, _): true
            case (false, false, _, _): newer
            case (true, true, true, false): true
            case (true, true, false, true): false
            case (true, true, true, true):
                mine.commits == theirs.commits ? newer : mine.commits > theirs.commits
            case (true, true, false, false): newer
            }
        self = survives ? .survive : .yield
    }
}
