internal import CCrypto

/// A public key that signs tokens: Ed25519 (RFC 8037) or RSA with SHA-256 (RFC 7518, RS256).
package struct JSONWebKey: Sendable {
    private enum Kind: Sendable {
        case ed25519([UInt8])
        case rsa(modulus: [UInt8], exponent: [UInt8])
    }

    package let id: String?
    private let kind: Kind

    /// A key given as its 32 bytes in the URL-safe alphabet of Base64; anything else is none.
    package init?(id: String?, ed25519 text: String) {
        guard let bytes = decodeBase64URL(text), bytes.count == 32 else { return nil }
        self.id = id
        kind = .ed25519(bytes)
    }

    /// A key shorter than 2048 bits is none.
    package init?(id: String?, modulus: String, exponent: String) {
        guard let modulus = decodeBase64URL(modulus), let exponent = decodeBase64URL(exponent), modulus.count >= 256
        else { return nil }
        self.id = id
        kind = .rsa(modulus: modulus, exponent: exponent)
    }

    /// `EdDSA` or `RS256`.
    package var algorithm: String {
        switch kind {
        case .ed25519: "EdDSA"
        case .rsa: "RS256"
        }
    }

    /// Whether a signature is this key's, of this message.
    package func verifies(_ message: [UInt8], _ signature: [UInt8]) -> Bool {
        guard let key = opened(), let context = EVP_MD_CTX_new() else { return false }
        defer {
            EVP_PKEY_free(key)
            EVP_MD_CTX_free(context)
        }
        let digest: OpaquePointer? =
            switch kind {
            case .ed25519: nil
            case .rsa: EVP_sha256()
            }
        guard EVP_DigestVerifyInit(context, nil, digest, nil, key) == 1 else { return false }
        return EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    }

    private func opened() -> OpaquePointer? {
        switch kind {
        case .ed25519(let bytes): return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, bytes, bytes.count)
        case .rsa(let modulus, let exponent):
            guard let context = EVP_PKEY_CTX_new_from_name(nil, "RSA", nil) else { return nil }
            defer { EVP_PKEY_CTX_free(context) }
            // libcrypto takes the numbers in the machine's own order.
            var (n, e) = (Array(modulus.reversed()), Array(exponent.reversed()))
            var key: OpaquePointer?
            let done = n.withUnsafeMutableBytes { n in
                e.withUnsafeMutableBytes { e in
                    "n".withCString { nName in
                        "e".withCString { eName in
                            var parameters = [
                                OSSL_PARAM(
                                    key: nName,
                                    data_type: UInt32(OSSL_PARAM_UNSIGNED_INTEGER),
                                    data: n.baseAddress,
                                    data_size: n.count,
                                    return_size: 0
                                ),
                                OSSL_PARAM(
                                    key: eName,
                                    data_type: UInt32(OSSL_PARAM_UNSIGNED_INTEGER),
                                    data: e.baseAddress,
                                    data_size: e.count,
                                    return_size: 0
                                ),
                                OSSL_PARAM(key: nil, data_type: 0, data: nil, data_size: 0, return_size: 0),
                            ]
                            return EVP_PKEY_fromdata_init(context) == 1
                                && EVP_PKEY_fromdata(context, &key, hecate_public_key, &parameters) == 1
                        }
                    }
                }
            }
            return done ? key : nil
        }
    }
}

/// The bytes of a text in the URL-safe alphabet of Base64 without padding (RFC 7515, section 2).
package func decodeBase64URL(_ text: some StringProtocol) -> [UInt8]? {
    var plain = String(text).replacing("-", with: "+").replacing("_", with: "/")
    while plain.utf8.count % 4 != 0 { plain += "=" }
    return decodeBase64(plain)
}
