internal import Crypto
internal import Synchronization

/// The browsers that signed in; they sign in again when the program starts anew.
final class Sessions: Sendable {
    struct Session: Sendable {
        var visitor: Visitor
        /// What every form of this session carries; a page of somebody else cannot know it.
        var formToken: String
        var expires: Double
    }

    static let cookie = "hecate_session"
    static let lifetime = 12.0 * 3600

    /// By the digest of what the cookie holds.
    private let open = Mutex<[String: Session]>([:])

    /// - Returns: What the cookie is to hold.
    func begin(_ visitor: Visitor, now: Double) -> String {
        let secret = hexadecimal(randomBytes(32))
        let expires = min(now + Self.lifetime, visitor.expires ?? .infinity)
        var visitor = visitor
        visitor.expires = expires
        let session = Session(visitor: visitor, formToken: hexadecimal(randomBytes(16)), expires: expires)
        open.withLock { open in
            open = open.filter { $0.value.expires > now }
            // Nobody needs so many; who floods the sign-in does not fill the memory.
            if open.count < 10_000 { open[sha256(secret)] = session }
        }
        return secret
    }

    func find(_ secret: String, now: Double) -> Session? {
        open.withLock { $0[sha256(secret)] }.flatMap { $0.expires > now ? $0 : nil }
    }

    func end(_ secret: String) { open.withLock { $0[sha256(secret)] = nil } }
}

/// How often a client may ask: a bucket that fills steadily.
final class RateLimit: Sendable {
    private let perSecond: Double
    private let burst: Double
    private let buckets = Mutex<[String: (level: Double, at: Double)]>([:])

    init(perSecond: Double, burst: Double) {
        self.perSecond = perSecond
        self.burst = burst
    }

    /// Takes one from a client's bucket.
    /// - Returns: Nil when there was one, or in how many seconds there will be.
    func take(_ client: String, now: Double) -> Double? {
        buckets.withLock { buckets in
            if buckets.count > 10_000 {
                buckets = buckets.filter { burst - $0.value.level > (now - $0.value.at) * perSecond }
            }
            let bucket = buckets[client] ?? (burst, now)
            let level = min(burst, bucket.level + (now - bucket.at) * perSecond)
            guard level >= 1 else {
                buckets[client] = (level, now)
                return (1 - level) / perSecond
            }
            buckets[client] = (level - 1, now)
            return nil
        }
    }
}
