internal import CCrypto

/// The SHA-256 digest of some bytes (FIPS 180-4), by libcrypto, as 64 lower-case hexadecimal digits.
package func sha256(_ bytes: [UInt8]) -> String {
    var digest = [UInt8](repeating: 0, count: 32)
    var length: UInt32 = 0
    let done = EVP_Digest(bytes, bytes.count, &digest, &length, EVP_sha256(), nil)
    precondition(done == 1 && length == 32, "libcrypto cannot compute SHA-256")
    return hexadecimal(digest)
}

/// The SHA-256 digest of a text's UTF-8.
package func sha256(_ text: String) -> String { sha256(Array(text.utf8)) }

/// Bytes as lower-case hexadecimal digits.
package func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
}
