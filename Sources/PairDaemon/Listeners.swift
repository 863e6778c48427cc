import FoundationEssentials
import Glibc
import Logging
import NIOCore
import NIOPosix
import PairCore
import PairHost
import PairNet
import PairWire
import ServiceLifecycle

/// The control socket, the health listener and the peer link, from the start to the end.
///
/// They are open when this value is made. What comes in before the node's loop runs waits for it in
/// its queue, and the health listener says no until the loop has said otherwise.
struct Listeners: Service {
    private let shell: NodeShell
    private let control: any Channel
    private let health: any Channel

    /// Opens all three.
    ///
    /// - Throws: `StartFailure` naming the key whose value cannot be had.
    init(
        of shell: NodeShell,
        on group: MultiThreadedEventLoopGroup
    ) async throws(Daemon.StartFailure) {
        self.shell = shell
        let configuration = shell.configuration
        self.control = try await Self.open("control.socket", configuration.control.socket) {
            try await ControlServer(
                path: configuration.control.socket,
                on: group,
                handling: { shell.take($0) },
                rejecting: { shell.metrics.count(.rejected, "control", "too_many_connections") }
            ).start(owningGroup: Machine.groupID(named: configuration.control.adminGroup))
        }
        self.health = try await Self.open("listen.health", "\(configuration.healthListener)") {
            try await HealthServer(
                on: group.next(),
                answering: { shell.answer($0) },
                observing: { shell.countRequest($0, $1) }
            ).start(
                host: configuration.healthListener.host,
                port: Int(configuration.healthListener.port)
            )
        }
        // Whom to let in is known from the first connection on.
        shell.applyPeer()
        let replication = "\(configuration.replicationListener)"
        _ = try await Self.open("listen.replication", replication) {
            try await shell.links.start()
        }
    }

    func run() async throws {
        try await gracefulShutdown()
        try await self.health.close()
        try await self.control.close()
        try await self.shell.links.stop()
    }

    /// Opens a listener, or says which key of the configuration cannot be had, and why.
    ///
    /// An address that is taken or not there yet may be free at the next start; one that this user
    /// may not have never will be.
    private static func open<Listener: Sendable>(
        _ key: String,
        _ address: String,
        _ body: () async throws -> Listener
    ) async throws(Daemon.StartFailure) -> Listener {
        do {
            return try await body()
        } catch let error as IOError {
            let (exitCode, text): (Int32, String) =
                switch error.errnoCode {
                case EADDRINUSE: (1, "another program listens on \(address); ss -ltnp names it")
                case EADDRNOTAVAIL:
                    (1, "\(address) is no address of this machine; ip address shows them")
                case EACCES: (78, "this user may not listen on \(address); write a port above 1023")
                default:
                    (
                        1,
                        "cannot listen on \(address): \(String(cString: strerror(error.errnoCode)))"
                    )
                }
            throw Daemon.StartFailure(exitCode: exitCode, description: "\(key): \(text)")
        } catch {
            throw Daemon.StartFailure(exitCode: 1, description: "\(key): \(error)")
        }
    }
}

extension NodeShell {
    /// Decodes a request, checks who asks, and puts it into the loop's queue.
    fileprivate func take(_ exchange: ControlExchange) {
        let reply: @Sendable (OperatorCall.ReplyLine) -> Void = { line in
            exchange.reply(line.bytes)
            if line.isLast { exchange.finish() }
        }
        do {
            let request = try JSONDecoder().decode(
                ControlRequest.self,
                from: Data(exchange.request)
            )
            let call = OperatorCall(
                request: request,
                by: Machine.userName(exchange.caller.userID),
                asked: self.now,
                reply: reply
            )
            guard self.permits(request.command.verb, exchange.caller) else {
                self.metrics.count(.rejected, "control", "not_permitted")
                return call.finish(
                    .notPermitted,
                    "\(call.by) may not do that; it takes root or the group "
                        + self.configuration.control.adminGroup
                )
            }
            self.post(.operatorRequest(call))
        } catch {
            reply(.unknownRequest)
        }
    }

    private func permits(_ verb: ControlVerb, _ caller: CallerCredentials) -> Bool {
        let control = self.configuration.control
        func isMember(_ name: String) -> Bool {
            Machine.groupID(named: name).map { caller.isMember(of: $0) } ?? false
        }
        return caller.userID == 0 || caller.userID == Machine.ownUserID
            || isMember(control.adminGroup) || verb.isReadOnly && isMember(control.monitorGroup)
    }
}
