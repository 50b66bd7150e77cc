internal import HTTP
internal import JSON

/// Where images come from.
///
/// Every image whose name does not begin with `missing` exists; its digest follows from its reference, and a tag can be
/// moved to another digest.
package struct Registry: Sendable {
    /// Whether the registry can be reached.
    package var isReachable = true
    /// Tags that were moved: the digest by the reference.
    package var digests: [String: String] = [:]
    /// Images that are on the Engine itself and in no registry.
    package var localImages: Set<String> = []

    package init() {}

    func digest(of image: String) -> String {
        if let moved = digests[image] { return moved }
        // FNV-1a, four times with different beginnings: it only has to differ where images do.
        var text = ""
        for seed in 0..<4 {
            var hash: UInt64 = 0xCBF2_9CE4_8422_2325 &+ UInt64(seed)
            for byte in image.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
            let digits = String(hash, radix: 16)
            text += String(repeating: "0", count: 16 - digits.count) + digits
        }
        return "sha256:\(text)"
    }

    static func isMissing(_ image: String) -> Bool {
        (image.split(separator: "/").last ?? "").hasPrefix("missing")
    }
}

extension SimulatedEngine {
    /// What the registry says of an image (`GET /distribution/NAME/json`).
    func distribution(_ image: String) -> Response {
        guard registry.isReachable, !registry.localImages.contains(image) else {
            return .failure(
                500,
                "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: network is unreachable"
            )
        }
        guard !Registry.isMissing(image) else { return .failure(404, "manifest unknown: manifest unknown") }
        return .json([
            "Descriptor": [
                "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "digest": .string(registry.digest(of: image)), "size": 1570,
            ],
            "Platforms": [["architecture": "amd64", "os": "linux"]],
        ])
    }

    /// An image on the Engine itself (`GET /images/NAME/json`).
    func localImage(_ image: String) -> Response {
        guard registry.localImages.contains(image) else {
            let tagged = image.split(separator: "/").last?.contains(":") == true ? image : "\(image):latest"
            return .failure(404, "no such image: \(image): No such image: \(tagged)")
        }
        return .json([
            "Id": .string(registry.digest(of: image)), "RepoTags": [.string(image)], "RepoDigests": [], "Os": "linux",
            "Architecture": "amd64",
        ])
    }

    /// Why an image cannot be had on a node; nil when it can.
    func pullError(_ image: String) -> String? {
        Registry.isMissing(image) ? "No such image: \(image)" : nil
    }
}
