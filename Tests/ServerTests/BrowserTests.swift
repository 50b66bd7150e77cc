import Delivery
import HTTPServer
import JSON
import Journal
import Server
import TestSupport
import Testing

/// The pages in a real browser, over real sockets.
@Suite(.serialized) struct BrowserTests {
    private func browsing(
        _ fixture: ServerFixture,
        _ body: (Browser, String) async throws -> Void
    ) async throws {
        let site = fixture.site
        let listener = try Listener(try #require(Address("127.0.0.1:0"))) { await site.respond(to: $0) }
        let feed = Task { await site.feed.run() }
        let browser = try Browser()
        do {
            try await browser.start()
            try await body(browser, "http://127.0.0.1:\(listener.port)")
        } catch {
            await browser.stop()
            feed.cancel()
            await listener.drain(within: .seconds(1))
            throw error
        }
        await browser.stop()
        feed.cancel()
        await listener.drain(within: .seconds(1))
    }

    @Test(.timeLimit(.minutes(4)), arguments: [0, 3, 500])
    func everyPageOpensWithoutAnError(count: Int) async throws {
        let fixture = try ServerFixture { $0.access.anonymous = .viewer }
        for number in 0..<count {
            try await fixture.add("app\(number)", target: number % 2 == 0 ? "east" : "west", ready: number % 7 != 1)
        }
        try await fixture.store.save(
            SourceRecord(name: "fleet", url: "https://git.example.org/ops/fleet", commit: "abc")
        )
        try await fixture.store.save(
            TargetRecord(name: "east", endpoint: "unix:///x", version: "Docker 27", error: "no")
        )
        try await browsing(fixture) { browser, base in
            let pages =
                ["/", "/events", "/sources", "/login"] + (count > 0 ? ["/apps/east/app0", "/apps/west/app1"] : [])
            for (width, height, isDark) in [(1280, 900, false), (390, 844, true)] {
                try await browser.look(width: width, height: height, isDark: isDark)
                for path in pages {
                    try await browser.open(base + path)
                    if path != "/login" {
                        try await browser.until("document.getElementById('live').textContent === 'live'")
                    }
                    let wide = try await browser.value("document.documentElement.scrollWidth - innerWidth").int ?? 99
                    #expect(wide <= 0, "\(path) is \(wide) too wide at \(width)")
                    let unnamed = try await browser.value(
                        "[...document.querySelectorAll('input:not([type=hidden]),button')].filter(e => !e.closest('label') && !e.textContent).length"
                    )
                    #expect(unnamed == 0, "every field has a name")
                    if path == "/" {
                        #expect(
                            try await browser.value("document.querySelectorAll('tbody tr').length").int == Int64(count)
                        )
                    }
                    let name = path == "/" ? "overview" : path.dropFirst().replacing("/", with: "-")
                    try await browser.picture("\(name)-\(count)-\(isDark ? "dark-phone" : "light")")
                }
            }
            #expect(await browser.errors == [])
        }
    }

    @Test(.timeLimit(.minutes(2))) func aChangeIsSeenWithoutAReload() async throws {
        let fixture = try ServerFixture { $0.access.anonymous = .viewer }
        try await fixture.add("web")
        try await browsing(fixture) { browser, base in
            try await browser.open(base)
            try await browser.until("document.getElementById('live').textContent === 'live'")
            _ = try await browser.value("window.marked = true")
            try await fixture.add("web", ready: false)
            try await fixture.add("later")
            await fixture.site.feed.poke()
            try await browser.until(
                "document.querySelector('main').innerText.includes('not ready')",
                within: .seconds(5)
            )
            try await browser.until("document.querySelectorAll('tbody tr').length === 2", within: .seconds(5))
            #expect(try await browser.value("window.marked").bool == true, "it is the same page")
            #expect(await browser.errors == [])
        }
    }

    @Test(.timeLimit(.minutes(2))) func aPersonSignsInAndActsByKeyboardAlone() async throws {
        let fixture = try ServerFixture()
        try await fixture.add("web")
        try await browsing(fixture) { browser, base in
            try await browser.open(base)
            try await browser.until("location.pathname === '/login'")
            _ = try await browser.value("document.querySelector('[name=token]').value = '\(ServerFixture.operator)'")
            _ = try await browser.value("document.querySelector('[name=token]').focus()")
            try await browser.press("Enter")
            try await browser.until("location.pathname === '/' && document.body.innerText.includes('otto')")
            // The way to the first app: the link past the header, the pages, the button to leave, the search.
            for _ in 0..<20 {
                try await browser.press("Tab")
                if try await browser.value("document.activeElement.dataset.focus || ''").string == "default/web" {
                    break
                }
            }
            try await browser.press("Enter")
            try await browser.until(
                "location.pathname === '/apps/default/web' && document.querySelector('[name=reason]') !== null"
            )
            _ = try await browser.value("document.querySelector('[name=reason]').value = 'the disk is full'")
            _ = try await browser.value("document.querySelector('[name=reason]').focus()")
            try await browser.press("Enter")
            try await browser.until("document.body.innerText.includes('Held by otto')")
            #expect(try await fixture.store.holds().first?.reason == "the disk is full")
            #expect(await browser.errors == [])
        }
    }

    @Test(.timeLimit(.minutes(2))) func withoutScriptsEverythingCanBeRead() async throws {
        let fixture = try ServerFixture { $0.access.anonymous = .viewer }
        try await fixture.add("web")
        try await browsing(fixture) { browser, base in
            try await browser.allowScripts(false)
            try await browser.open(base + "/apps/default/web")
            try await browser.until("document.body.innerText.includes('Conditions')")
            #expect(try await browser.value("document.body.innerText.includes('web:2')").bool == true)
            #expect(await browser.errors == [])
        }
    }
}
