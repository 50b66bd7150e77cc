import Documents
import Delivery
import JSON
import Journal
import Server
import Testing

@Suite struct PageTests {
    @Test(arguments: [0, 3, 500]) func everyPageReadsWithoutScripts(count: Int) async throws {
        let fixture = try ServerFixture()
        for number in 0..<count { try await fixture.add("app\(number)", ready: number % 3 != 0) }
        let paths = ["/", "/events", "/sources", "/login"] + (count > 0 ? ["/apps/default/app0"] : [])
        for path in paths {
            let page = await fixture.get(path)
            #expect(page.status == 200 && page.headers["content-type"] == "text/html; charset=utf-8")
            #expect(page.headers["content-security-policy"]?.contains("default-src 'none'") ?? false)
            #expect(!page.text.contains("<script>x"), "what comes from elsewhere is text")
            #expect(!page.text.contains("style=") && !page.text.contains("onclick"), "the policy allows no inline code")
            #expect(page.text.contains("<html lang=\"en\">") && page.text.contains("class=\"skip\""))
        }
        let overview = await fixture.get("/").text
        #expect(overview.ranges(of: "data-focus").count == count)
        #expect(count > 0 || overview.contains("No apps yet"))
        if count > 0 {
            let page = await fixture.get("/apps/default/app0").text
            #expect(page.contains("&lt;script&gt;x") && page.contains("&lt;b&gt;web:2&lt;/b&gt;"))
            #expect(page.contains("&lt;i&gt;started&lt;/i&gt;"), "the log is shown, as text")
        }
    }

    @Test func whatIsWrongComesFirstAndCanBeFound() async throws {
        let fixture = try ServerFixture()
        for name in ["aaa", "bbb", "zzz"] { try await fixture.add(name, ready: name != "zzz") }
        let text = await fixture.get("/").text
        let order = ["zzz", "aaa", "bbb"].compactMap { text.firstRange(of: "default/\($0)")?.lowerBound }
        #expect(order == order.sorted() && order.count == 3)
        #expect(await fixture.get("/?q=bbb").text.ranges(of: "data-focus").count == 1)
        #expect(await fixture.get("/?state=wrong").text.ranges(of: "data-focus").count == 1)
        #expect(await fixture.get("/events").text.contains("<a href=\"/apps/default/zzz\">default/zzz</a>"))
        let hostile = await fixture.get("/?q=\"><b>").text
        #expect(!hostile.contains("\"><b>"))
        // A sign before or after which Swift sees one character and a browser two.
        for text in ["\u{600}<b>", "<\u{301}b>", "\"\u{301}onfocus=x", "\u{600}\"onfocus=x", "&\u{301}lt;"] {
            let page = await fixture.get("/?q=\(text)").text
            let shown = try #require(page.utf8.firstRange(of: "name=\"q\" value=\"".utf8))
            let value = page.utf8[shown.upperBound...].prefix { $0 != UInt8(ascii: "\"") }
            #expect(!value.contains(UInt8(ascii: "<")), "\(text)")
            #expect(page.utf8[value.endIndex...].starts(with: "\" type=\"search\"".utf8), "\(text): \(value)")
        }
    }

    /// WCAG 2.2, success criterion 1.4.3: 4.5 to 1 for text on each of its grounds.
    @Test func everyColourCanBeRead() async throws {
        let fixture = try ServerFixture()
        let style = await fixture.get("/assets/style.css", token: nil).text
        let schemes = style.split(separator: "\n").filter { $0.contains("--ground:") }
        #expect(schemes.count == 2)
        for scheme in schemes {
            var colours: [Substring: [Double]] = [:]
            for part in scheme.split(whereSeparator: { "{};".contains($0) }) where part.hasPrefix("--") {
                let pair = part.dropFirst(2).split(separator: ":")
                colours[pair[0]] = channels(pair[1])
            }
            for ground in ["ground", "card"] {
                for ink in ["ink", "dim", "good", "bad", "warn", "link"] {
                    let ratio = contrast(
                        try #require(colours[Substring(ink)]),
                        try #require(colours[Substring(ground)])
                    )
                    #expect(ratio >= 4.5, "\(ink) on \(ground): \(ratio)")
                }
            }
        }
    }

    private func channels(_ text: Substring) -> [Double] {
        var digits = text.dropFirst()
        if digits.count == 3 { digits = Substring(digits.map { "\($0)\($0)" }.joined()) }
        let value = Int(digits, radix: 16) ?? 0
        return [value >> 16, value >> 8 & 255, value & 255].map { Double($0) / 255 }
    }

    /// Relative luminance, with the exponent 2.4 taken as the square times the fifth root of the square.
    private func luminance(_ colour: [Double]) -> Double {
        let linear = colour.map { channel -> Double in
            guard channel > 0.04045 else { return channel / 12.92 }
            let base = (channel + 0.055) / 1.055
            var root = 1.0
            for _ in 0..<60 {
                root -= (root * root * root * root * root - base * base) / (5 * root * root * root * root)
            }
            return base * base * root
        }
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    private func contrast(_ left: [Double], _ right: [Double]) -> Double {
        let (one, two) = (luminance(left), luminance(right))
        return (max(one, two) + 0.05) / (min(one, two) + 0.05)
    }
}
