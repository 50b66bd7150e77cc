package import Crypto
internal import JSON

extension Access {
    /// Who a signed token says its bearer is, when a key that is known signed it and it holds now.
    ///
    /// Source: RFC 7519 (JWT), RFC 7515 (JWS), RFC 8037 (EdDSA). The role is the claim `role`, or the highest of `roles`.
    func signedVisitor(_ token: String, now: Double) -> Visitor? {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, token.utf8.count < 8192, let header = object(parts[0]), let claims = object(parts[1]),
            let signature = decodeBase64URL(parts[2]), let algorithm = header["alg"]?.string
        else { return nil }
        let signed = Array("\(parts[0]).\(parts[1])".utf8)
        // The key says what it is for; a token cannot choose another algorithm for it.
        let name = header["kid"]?.string
        let isSigned = keys.all.contains { key in
            key.algorithm == algorithm && (name == nil || key.id == nil || key.id == name)
                && key.verifies(signed, signature)
        }
        guard isSigned, let expires = claims["exp"]?.double, expires > now,
            claims["nbf"]?.double.map({ $0 <= now + 60 }) ?? true,
            issuer == nil || claims["iss"]?.string == issuer, isForUs(claims["aud"])
        else { return nil }
        let named = [claims["role"]?.string].compactMap { $0 } + (claims["roles"]?.array ?? []).compactMap(\.string)
        guard let role = named.compactMap(Role.init).max() else { return nil }
        // One project may be written as a text; whatever else is there that names none lets nobody see everything.
        let projects = claims["projects"].map { claim in
            claim.string.map { [$0] } ?? Set((claim.array ?? []).compactMap(\.string))
        }
        var visitor = Visitor(name: claims["sub"]?.string ?? "unnamed", role: role, projects: projects)
        visitor.expires = expires
        return visitor
    }

    private func isForUs(_ claim: JSON?) -> Bool {
        guard let audience else { return true }
        return claim?.string == audience || (claim?.array ?? []).contains { $0.string == audience }
    }

    private func object(_ part: Substring) -> JSON.Members? {
        decodeBase64URL(part).flatMap { try? JSON(parsing: $0) }?.object
    }

    /// Reads a JSON Web Key Set (RFC 7517); keys of other kinds are left out.
    package static func keys(in set: [UInt8]) -> [JSONWebKey] {
        ((try? JSON(parsing: set))?["keys"]?.array ?? []).compactMap { key in
            let id = key["kid"]?.string
            switch (key["kty"]?.string, key["crv"]?.string) {
            case ("OKP", "Ed25519"): return key["x"]?.string.flatMap { JSONWebKey(id: id, ed25519: $0) }
            case ("RSA", _):
                guard let modulus = key["n"]?.string, let exponent = key["e"]?.string else { return nil }
                return JSONWebKey(id: id, modulus: modulus, exponent: exponent)
            default: return nil
            }
        }
    }
}
