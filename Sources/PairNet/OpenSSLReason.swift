import COpenSSL

/// What OpenSSL says went wrong, in its own words.
package struct OpenSSLReason: Error, Hashable, Sendable, CustomStringConvertible {
    /// The oldest error first: the cause comes before what it led to.
    package let reasons: [String]
    /// The TLS alert that the other side sent (RFC 8446, section 6), if that was it.
    package let alert: UInt8?

    package init(reasons: [String], alert: UInt8? = nil) {
        self.reasons = reasons
        self.alert = alert
    }

    /// Takes all errors off this thread's queue.
    static func drain() -> OpenSSLReason {
        var reasons: [String] = []
        var alert: UInt8?
        while true {
            let code = ERR_get_error()
            guard code != 0 else { break }
            // OpenSSL adds 1000 to the alerts that it receives.
            if ERR_GET_LIB(code) == ERR_LIB_SSL, ERR_GET_REASON(code) > SSL_AD_REASON_OFFSET {
                alert = UInt8(exactly: ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET)
            }
            if let text = ERR_reason_error_string(code) {
                reasons.append(String(cString: text))
            } else {
                reasons.append("error \(code)")
            }
        }
        return OpenSSLReason(reasons: reasons, alert: alert)
    }

    package var description: String {
        self.reasons.isEmpty ? "no reason given" : self.reasons.joined(separator: "; ")
    }
}

/// OpenSSL could not do what it always can, for want of memory or because of its configuration.
package struct CryptographyError: Error, Hashable, Sendable, CustomStringConvertible {
    package let call: String
    package let reason: OpenSSLReason

    static func failed(_ call: StaticString) -> CryptographyError {
        CryptographyError(call: "\(call)", reason: .drain())
    }

    package var description: String { "OpenSSL: \(self.call): \(self.reason)" }
}
