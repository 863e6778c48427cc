extension ControlCommand {
    package struct Invite: Hashable, Sendable, Codable {
        /// How long the code can be used.
        package var ttlSeconds: Double

        package init(ttlSeconds: Double) { self.ttlSeconds = ttlSeconds }
    }

    package struct Initialize: Hashable, Sendable, Codable {
        /// The name of a peer that serves, beside which this node is to serve too.
        package var confirm: String?

        package init(confirm: String?) { self.confirm = confirm }
    }

    /// The code is a secret: it goes through this socket only, never into a log or argv.
    package struct Join: Hashable, Sendable, Codable {
        /// HOST:PORT of the node that gave the code.
        package var address: String
        package var code: String

        package init(address: String, code: String) {
            self.address = address
            self.code = code
        }
    }

    package struct Remove: Hashable, Sendable, Codable {
        package var wipeKeys: Bool

        package init(wipeKeys: Bool) { self.wipeKeys = wipeKeys }
    }

    package struct Enable: Hashable, Sendable, Codable {
        /// Answer only when the pair is protected.
        package var wait: Bool
        /// Archive the peer's vault and give up what only it holds.
        package var discardPeerVault: Bool
        /// The name of the node whose data is given up.
        package var confirm: String?

        package init(wait: Bool, discardPeerVault: Bool, confirm: String?) {
            self.wait = wait
            self.discardPeerVault = discardPeerVault
            self.confirm = confirm
        }
    }

    package struct Disable: Hashable, Sendable, Codable {
        package var wait: Bool
        /// The peer is unreachable and a person vouches that it is down.
        package var force: Bool
        package var confirm: String?

        package init(wait: Bool, force: Bool, confirm: String?) {
            self.wait = wait
            self.force = force
            self.confirm = confirm
        }
    }

    package struct Promote: Hashable, Sendable, Codable {
        package var force: Bool
        package var confirm: String?
        package var reason: String?

        package init(force: Bool, confirm: String?, reason: String?) {
            self.force = force
            self.confirm = confirm
            self.reason = reason
        }
    }

    package struct Suspend: Hashable, Sendable, Codable {
        package var seconds: Double

        package init(seconds: Double) { self.seconds = seconds }
    }

    package struct Resolve: Hashable, Sendable, Codable {
        /// The name of the node whose history goes on.
        package var keep: String
        package var reason: String

        package init(keep: String, reason: String) {
            self.keep = keep
            self.reason = reason
        }
    }

    package struct Tail: Hashable, Sendable, Codable {
        package var id: String
        /// The name of the node whose tail is given up; only `discard` needs it.
        package var confirm: String?

        package init(id: String, confirm: String? = nil) {
            self.id = id
            self.confirm = confirm
        }
    }

    package struct Verify: Hashable, Sendable, Codable {
        /// Read every page from both disks, and run SQLite's integrity check on the secondary;
        /// otherwise the digests that both nodes keep are compared.
        package var full: Bool

        package init(full: Bool) { self.full = full }
    }

    package struct Wait: Hashable, Sendable, Codable {
        package var level: Level

        /// How far what is committed now must have got on the peer.
        package enum Level: String, Hashable, Sendable, Codable {
            case durable
            case applied
        }

        package init(level: Level) { self.level = level }
    }

    package struct Events: Hashable, Sendable, Codable {
        package var follow: Bool

        package init(follow: Bool) { self.follow = follow }
    }
}
