import Testing
import Text

@Suite struct HTMLTests {
    private func text(_ html: HTML) -> String { String(decoding: html.document, as: UTF8.self) }

    @Test func elementsAttributesAndTextAreWritten() {
        let page = Tag.p(.class("dim"), nil, Attribute("hidden")) {
            "a"
            Tag.input(Attribute("name", "q"))
            for letter in ["b", "c"] { Tag.b { letter } }
            if let absent { absent }
        }
        #expect(text(page) == "<!doctype html>\n<p class=\"dim\" hidden>a<input name=\"q\"><b>b</b><b>c</b></p>\n")
    }

    private let absent: String? = nil

    /// The second of each pair follows or is followed by a sign that Swift joins to it.
    @Test(arguments: ["<script>", "<\u{301}b>", "\u{600}<b>", "</p>", "&lt;", "&\u{301}lt;"])
    func textIsText(hostile: String) {
        let written = text(Tag.p { hostile })
        let inside = written.utf8.dropFirst("<!doctype html>\n<p>".utf8.count).dropLast("</p>\n".utf8.count)
        #expect(!inside.contains(UInt8(ascii: "<")) && !inside.contains(UInt8(ascii: ">")), "\(written)")
        #expect(!String(decoding: inside, as: UTF8.self).hasPrefix("&lt;l"), "\(written)")
    }

    @Test(arguments: ["\" onclick=\"x", "'\u{301}", "\"\u{301}onfocus=x", "\u{600}\"onfocus=x", "><b>"])
    func aValueStaysInItsAttribute(hostile: String) {
        let written = text(Tag.a(Attribute("title", hostile)) { "x" })
        let value = written.utf8.dropFirst("<!doctype html>\n<a title=\"".utf8.count).prefix {
            $0 != UInt8(ascii: "\"")
        }
        #expect(written.utf8[value.endIndex...].elementsEqual("\">x</a>\n".utf8), "\(written)")
        #expect(!value.contains(UInt8(ascii: "'")) && !value.contains(UInt8(ascii: "<")), "\(written)")
    }

    @Test func aPathStaysOnItsSite() {
        #expect(SitePath("/apps").appending("a b/../c?d#e").text == "/apps/a%20b%2F..%2Fc%3Fd%23e")
        #expect(SitePath("/apps").appending("//evil.example").text == "/apps/%2F%2Fevil.example")
    }

    @Test func whatStandsForBytesIsReplacedAndTheRestStays() {
        #expect(markupEscaped("a<b>&\"'ü\u{301}") == "a&lt;b&gt;&amp;\"'ü\u{301}")
        #expect(markupEscaped("\"'", quotes: true) == "&quot;&#39;")
        #expect(replacingBytes(in: "a\r\nb") { $0 == UInt8(ascii: "\n") ? "N" : nil } == "a\rNb")
        #expect(percentEncoded("aZ9-._~ /ü") == "aZ9-._~%20%2F%C3%BC")
    }
}
