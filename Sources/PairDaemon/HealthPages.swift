package import PairCore
package import PairNet

/// What the health listener answers about a node, from what is true at the moment of the question.
package struct HealthPages: Sendable {
    package var health: Health
    package var role: Role
    package var state: NodeState
    package var epoch: Epoch

    package init(health: Health, role: Role, state: NodeState, epoch: Epoch) {
        self.health = health
        self.role = role
        self.state = state
        self.epoch = epoch
    }

    /// The answer to a load balancer's question; `nil` for a path that is none.
    package func answer(_ request: HealthRequest) -> HealthResponse? {
        guard let question = Health.Question(path: request.path) else { return nil }
        let json =
            #"{"health":"\#(self.health.rawValue)","role":"\#(self.role.rawValue)","#
            + #""state":"\#(self.state.rawValue)","epoch":\#(self.epoch)}"#
        return self.page(
            request.acceptsJSON ? json : self.health.body,
            status: self.health.status(question),
            type: request.acceptsJSON ? "application/json" : "text/plain; charset=utf-8"
        )
    }

    /// A page of one text under the headers that every answer has.
    package func page(_ text: String, status: Int = 200, type: String) -> HealthResponse {
        HealthResponse(
            status: status,
            contentType: type,
            headers: [
                HealthResponse.Header("X-Pair-Role", self.role.rawValue),
                HealthResponse.Header("X-Pair-State", self.state.rawValue),
                HealthResponse.Header("X-Pair-Epoch", "\(self.epoch)"),
            ],
            body: text + "\n"
        )
    }

    /// The labels under which an answer is counted: only paths of ours, what others ask for is one.
    static func labels(path: String, status: Int) -> (path: String, code: String) {
        let isPage = (path == "/metrics" || path == "/v1/status") && status == 200
        let known: String? =
            switch Health.Question(path: path) {
            case .primary: "/primary"
            case .secondary, .ready, .live: path
            case nil: isPage ? path : nil
            }
        return (known ?? "other", "\(status)")
    }
}

extension NodeShell {
    var health: Health {
        let facts = self.view.facts
        let now = self.now
        // The machine's own predicate, at this very moment: a lease may have ended since its turn.
        let isServing = facts.failover?.isServing(at: now) ?? false
        return Health(
            role: facts.role,
            state: facts.state,
            gate: facts.gate == .open && !isServing ? .closed : facts.gate,
            silence: self.view.silence(at: now)
        )
    }

    /// One answer of the health listener, computed now.
    func answer(_ request: HealthRequest) -> HealthResponse {
        let facts = self.view.facts
        let pages = HealthPages(
            health: self.health,
            role: facts.role,
            state: facts.state,
            epoch: facts.epoch
        )
        if let answer = pages.answer(request) { return answer }
        switch request.path {
        case "/metrics":
            var page = pages.page("", type: "text/plain; version=0.0.4; charset=utf-8")
            page.body = self.metricsPage
            return page
        case "/v1/status" where self.configuration.healthDetail:
            guard let status = self.view.statusJSON else { return .notFound }
            return pages.page(status, type: "application/json")
        default: return .notFound
        }
    }

    /// Counts an answer; one with an empty path is the listener's own refusal.
    func countRequest(_ path: String, _ status: Int) {
        let labels = HealthPages.labels(path: path, status: status)
        self.metrics.count(.healthRequests, labels.path, labels.code)
        if path.isEmpty, status == 503 {
            self.metrics.count(.rejected, "health", "too_many_connections")
        }
    }
}
