package import NIOCore
package import PairCore

/// Decides which strangers may begin a handshake, so that none of them can keep out the peer.
///
/// Pure: told who comes and when. An established session of the peer does not count here at all. The
/// peer's addresses have slots of their own beside the common ones; an address proves nothing, but
/// it is what keeps an attacker elsewhere from filling all of them.
package struct AdmissionControl {
    package struct Limits: Hashable, Sendable {
        /// Handshakes in progress, from everybody.
        package var handshakes = 16
        /// Handshakes in progress, from one source.
        package var handshakesPerSource = 4
        /// More of them, for the peer's addresses only.
        package var reservedForPeer = 4
        /// Connections that a source may make at once, and per second in the long run.
        package var burst = 32
        package var perSecond = 8
        /// The same, for each of the peer's addresses: it redials three connections at a time.
        package var burstOfPeer = 128
        package var perSecondOfPeer = 64
        /// Sources whose past is remembered; the longest silent are forgotten first.
        package var rememberedSources = 1024

        package init() {}
    }

    package enum Refusal: String, Error, Hashable, Sendable, CaseIterable {
        case tooManyHandshakes = "too_many_handshakes"
        case tooManyFromSource = "too_many_from_source"
        case tooOften = "too_often"
    }

    /// One admitted handshake; to be given back when it is over.
    package struct Slot: Hashable, Sendable {
        let source: SocketAddress.Source
        let isReserved: Bool
    }

    private struct Past {
        var handshakes = 0
        var tokens: Double
        var refilled: Instant
    }

    private let limits: Limits
    private var handshakes = 0
    private var reservedHandshakes = 0
    private var sources: [SocketAddress.Source: Past] = [:]
    /// Where the peer is expected to come from.
    private var peerSources: [SocketAddress.Source] = []

    package init(limits: Limits = Limits()) { self.limits = limits }

    /// Replaces all that is known of where the peer comes from.
    package mutating func expectPeer(from sources: [SocketAddress.Source]) {
        self.peerSources = sources
    }

    /// Notes that the peer has proved its key from `source`.
    package mutating func remember(peerSource source: SocketAddress.Source) {
        self.peerSources.removeAll { $0 == source }
        self.peerSources.append(source)
        // More paths than any pair has; an entry too many would only widen the reserve's door.
        if self.peerSources.count > 16 { self.peerSources.removeFirst() }
    }

    package mutating func admit(
        _ source: SocketAddress.Source,
        at now: Instant
    ) throws(Refusal) -> Slot {
        let isPeer = self.peerSources.contains(source)
        let burst = Double(isPeer ? self.limits.burstOfPeer : self.limits.burst)
        let rate = Double(isPeer ? self.limits.perSecondOfPeer : self.limits.perSecond)
        var past = self.sources[source] ?? Past(tokens: burst, refilled: now)
        past.tokens = min(burst, past.tokens + (now - past.refilled) / .seconds(1) * rate)
        past.refilled = now
        defer {
            self.sources[source] = past
            self.forget()
        }

        guard past.tokens >= 1 else { throw .tooOften }
        past.tokens -= 1
        let mayShare =
            self.handshakes < self.limits.handshakes
            && past.handshakes < self.limits.handshakesPerSource
        if mayShare {
            self.handshakes += 1
            past.handshakes += 1
            return Slot(source: source, isReserved: false)
        }
        if isPeer, self.reservedHandshakes < self.limits.reservedForPeer {
            self.reservedHandshakes += 1
            return Slot(source: source, isReserved: true)
        }
        throw self.handshakes < self.limits.handshakes ? .tooManyFromSource : .tooManyHandshakes
    }

    /// Gives back a slot; called once for each.
    package mutating func release(_ slot: Slot) {
        if slot.isReserved {
            self.reservedHandshakes -= 1
        } else {
            self.handshakes -= 1
            self.sources[slot.source]?.handshakes -= 1
        }
    }

    private mutating func forget() {
        guard self.sources.count > self.limits.rememberedSources else { return }
        let idle = self.sources.filter { $0.value.handshakes == 0 }
        let oldest = idle.sorted { $0.value.refilled < $1.value.refilled }
            .prefix(self.sources.count - self.limits.rememberedSources / 2)
        for (source, _) in oldest { self.sources[source] = nil }
    }
}
