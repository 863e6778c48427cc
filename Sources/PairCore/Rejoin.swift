/// How a node that was away takes its place as the secondary again (protocol.md, section 13).
///
///     row  vault  equal digest at    log kept   answer
///     10   no     –                  –          seed             empty or new disk
///     2    yes    its position       yes        stream           usual: a reboot
///     4    yes    its position       yes        fastForward      same, and the epoch has changed
///     3    yes    its position       no         delta            away too long
///     5    yes    only the fork      –          undoTail         an operator will want the tail
///     6    yes    nowhere            –          delta            sealed first
///
/// Content is given up unsealed only against positive proof that the primary's history has all of it:
/// the joiner's position, digest and all, in the primary's log, or remembered from it.
package enum Rejoin: Hashable, Sendable {
    case seed
    case stream
    case fastForward
    case delta(sealingImage: Bool)
    case undoTail

    package enum CommonPoint: Hashable, Sendable {
        case ownPosition(epochChanged: Bool)
        case fork
        /// Nothing proves that all of the joiner's content is in the primary's history.
        case nowhere
    }

    package init(hasVault: Bool, equalAt common: CommonPoint, logIsKept: Bool) {
        self =
            switch (hasVault, common, logIsKept) {
            case (false, _, _): .seed
            case (true, .ownPosition(epochChanged: false), true): .stream
            case (true, .ownPosition(epochChanged: true), true): .fastForward
            case (true, .ownPosition, false): .delta(sealingImage: false)
            case (true, .fork, _): .undoTail
            case (true, .nowhere, _): .delta(sealingImage: true)
            }
    }

    /// Whether the joiner goes on from where it is, so that it may stay armed meanwhile.
    package var keepsContent: Bool {
        switch self {
        case .stream, .fastForward: true
        case .seed, .delta, .undoTail: false
        }
    }

    /// Whether the joiner holds transactions of its own that must be archived first.
    package var sealsTail: Bool {
        switch self {
        case .undoTail, .delta(sealingImage: true): true
        case .seed, .stream, .fastForward, .delta(sealingImage: false): false
        }
    }
}

/// What the primary must look up in its log before it can tell a joiner how to rejoin.
package struct RejoinInquiry: Hashable, Sendable {
    /// Where the joiner is; `nil` when it has no vault, or half of one.
    package var joiner: Position?
    /// Where the two lineages part; `nil` when nothing parts them.
    package var fork: Position?

    package init(joiner: Position?, fork: Position?) {
        self.joiner = joiner
        self.fork = fork
    }
}

/// What the primary's log says about a ``RejoinInquiry``.
package struct RejoinFinding: Hashable, Sendable {
    /// The joiner's position is one of this vault's history, with an equal digest.
    package var holdsJoinerPosition: Bool
    /// All that the joiner lacks is in the log.
    package var logIsKept: Bool
    /// The fork is one of this vault's history, with an equal digest.
    package var holdsFork: Bool

    package init(holdsJoinerPosition: Bool, logIsKept: Bool, holdsFork: Bool) {
        self.holdsJoinerPosition = holdsJoinerPosition
        self.logIsKept = logIsKept
        self.holdsFork = holdsFork
    }
}

/// The primary's decision about one joiner in one condition; void when the joiner has moved since.
package struct RejoinOffer: Hashable, Sendable {
    package var rejoin: Rejoin
    /// Where the joiner's tail begins.
    package var fork: Position?
    /// The joiner's start and position that the decision is for.
    package var incarnation: UInt64
    package var position: Position

    package init(rejoin: Rejoin, fork: Position?, incarnation: UInt64, position: Position) {
        self.rejoin = rejoin
        self.fork = fork
        self.incarnation = incarnation
        self.position = position
    }
}
