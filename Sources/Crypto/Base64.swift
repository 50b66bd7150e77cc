internal import CCrypto

/// Bytes in Base64 (RFC 4648, section 4), by libcrypto.
package func base64(_ bytes: [UInt8]) -> String {
    var text = [UInt8](repeating: 0, count: (bytes.count + 2) / 3 * 4 + 1)
    let length = EVP_EncodeBlock(&text, bytes, Int32(bytes.count))
    return String(decoding: text.prefix(Int(length)), as: UTF8.self)
}

/// Bytes in the URL-safe alphabet of Base64 (RFC 4648, section 5), padded.
package func base64URL(_ bytes: [UInt8]) -> String {
    base64(bytes).replacing("+", with: "-").replacing("/", with: "_")
}

/// The bytes a Base64 text stands for, or nil when it is not Base64.
package func decodeBase64(_ text: String) -> [UInt8]? {
    let input = Array(text.utf8)
    guard input.count % 4 == 0 else { return nil }
    var bytes = [UInt8](repeating: 0, count: input.count / 4 * 3 + 1)
    let length = EVP_DecodeBlock(&bytes, input, Int32(input.count))
    guard length >= 0 else { return nil }
    let padding = input.suffix(2).count { $0 == UInt8(ascii: "=") }
    return Array(bytes.prefix(Int(length) - padding))
}
