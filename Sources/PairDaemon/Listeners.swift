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
struct Listeners: Service {
    let shell: NodeShell
    let group: MultiThreadedEventLoopGroup

    func run() async throws {
        let configuration = self.shell.configuration
        let shell = self.shell
        let control = try await self.open("control.socket", configuration.control.socket) {
            try await ControlServer(
                path: configuration.control.socket,
                on: self.group,
                handling: { shell.take($0) }
            ).start(owningGroup: Machine.groupID(named: configuration.control.adminGroup))
        }
        let health = try await self.open("listen.health", "\(configuration.healthListener)") {
            try await HealthServer(
                on: self.group.next(),
                answering: { shell.answer($0) },
                observing: { path, status in
                    // Only paths of ours become labels; what others ask for is one series.
                    let known = Health.Question(path: path) != nil || path == "/metrics"
                    shell.metrics.count(
                        "health_requests_total",
                        labels: #"path="\#(known ? path : "other")",code="\#(status)""#
                    )
                }
            ).start(
                host: configuration.healthListener.host,
                port: Int(configuration.healthListener.port)
            )
        }
        let replication = "\(configuration.replicationListener)"
        _ = try await self.open("listen.replication", replication) {
            try await shell.links.start()
        }
        try await gracefulShutdown()
        try await health.close()
        try await control.close()
        try await self.shell.links.stop()
    }

    /// Opens a listener, or says which key of the configuration cannot be had, and why.
    private func open<Listener>(
        _ key: String,
        _ address: String,
        _ body: () async throws -> Listener
    ) async throws(Daemon.StartFailure) -> Listener {
        do {
            return try await body()
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw Daemon.StartFailure(
                exitCode: 1,
                description: "\(key): another program listens on \(address); ss -ltnp names it"
            )
        } catch let error as IOError {
            throw Daemon.StartFailure(
                exitCode: 1,
                description: "\(key): cannot listen on \(address): "
                    + String(cString: strerror(error.errnoCode))
            )
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
                reply: reply
            )
            guard self.permits(request.command.verb, exchange.caller) else {
                return call.finish(
                    .notPermitted,
                    "\(call.by) may not do that; it takes root or the group "
                        + self.configuration.control.adminGroup
                )
            }
            self.post(.operatorRequest(call))
        } catch {
            let text = #"{"exitCode":64,"message":"this is no request that paird knows"}"#
            reply(OperatorCall.ReplyLine(bytes: Array(text.utf8), isLast: true))
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

    /// One answer of the health listener, computed now.
    fileprivate func answer(_ request: HealthRequest) -> HealthResponse {
        let facts = self.view.facts
        let health = self.health
        let headers = [
            HealthResponse.Header("X-Pair-Role", facts.role.rawValue),
            HealthResponse.Header("X-Pair-State", facts.state.rawValue),
            HealthResponse.Header("X-Pair-Epoch", "\(facts.epoch)"),
        ]
        if let question = Health.Question(path: request.path) {
            let status = health.status(question)
            let json =
                #"{"health":"\#(health.rawValue)","role":"\#(facts.role.rawValue)","#
                + #""state":"\#(facts.state.rawValue)","epoch":\#(facts.epoch)}"#
            return HealthResponse(
                status: status,
                contentType: request.acceptsJSON ? "application/json" : "text/plain; charset=utf-8",
                headers: headers,
                body: (request.acceptsJSON ? json : health.body) + "\n"
            )
        }
        switch request.path {
        case "/metrics":
            return HealthResponse(
                status: 200,
                contentType: "text/plain; version=0.0.4; charset=utf-8",
                headers: headers,
                body: self.metrics.page(gauges: self.gauges)
            )
        case "/v1/status" where self.configuration.healthDetail:
            guard let status = self.view.statusJSON else { return .notFound }
            return HealthResponse(
                status: 200,
                contentType: "application/json",
                headers: headers,
                body: status + "\n"
            )
        default: return .notFound
        }
    }
}
