/// What the pages look like and how they stay fresh; nothing comes from elsewhere.
enum Assets {
    /// Colours have a contrast of at least 4.5 to 1 on their grounds (WCAG 2.2, AA).
    static let style = """
        :root{color-scheme:light dark;--ground:#fbfaf7;--card:#fff;--ink:#1d1b16;--dim:#5f5b52;--line:#dedad0;--good:#1a6b3c;--bad:#b3261e;--warn:#8a5300;--link:#0b57a4;--focus:#0b57a4}
        @media (prefers-color-scheme:dark){:root{--ground:#15140f;--card:#1e1d18;--ink:#ece8dd;--dim:#a8a294;--line:#3a382f;--good:#6fce95;--bad:#ff8d83;--warn:#f2b85c;--link:#8cc0ff;--focus:#8cc0ff}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
        a{color:var(--link)}
        a:focus-visible,button:focus-visible,input:focus-visible,summary:focus-visible{outline:3px solid var(--focus);outline-offset:2px}
        .skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:.5rem;background:var(--card);padding:.5rem}
        header{display:flex;flex-wrap:wrap;gap:.5rem 1.5rem;align-items:baseline;padding:.8rem 1.2rem;border-bottom:1px solid var(--line);background:var(--card)}
        header b{font-size:1.1rem;letter-spacing:.02em}
        nav{display:flex;gap:1rem}nav a[aria-current]{color:var(--ink);font-weight:600;text-decoration:none}
        header .who{margin-left:auto;color:var(--dim)}
        main{max-width:76rem;margin:0 auto;padding:1rem 1.2rem 4rem}
        h1{font-size:1.4rem;margin:.6rem 0}h2{font-size:1.05rem;margin:1.8rem 0 .5rem}
        .cards{display:flex;flex-wrap:wrap;gap:.8rem;padding:0;list-style:none}
        .cards li{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.6rem 1rem;min-width:8rem}
        .cards b{display:block;font-size:1.6rem;line-height:1.2}
        .wide{overflow-x:auto}
        table{border-collapse:collapse;width:100%;background:var(--card);border:1px solid var(--line)}
        th,td{text-align:left;padding:.45rem .7rem;border-top:1px solid var(--line);vertical-align:top}
        th{color:var(--dim);font-weight:600;border-top:0;white-space:nowrap}
        td.name{white-space:nowrap}
        time,.mark{white-space:nowrap}.state{white-space:nowrap;font-weight:600}.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}
        .dim{color:var(--dim)}code,pre{font:13px/1.5 ui-monospace,monospace}
        pre{background:var(--card);border:1px solid var(--line);padding:.7rem;overflow:auto;max-height:24rem}
        .bar{display:flex;flex-wrap:wrap;gap:.6rem;align-items:center;margin:.8rem 0}
        input,button{font:inherit;color:inherit;background:var(--card);border:1px solid var(--dim);border-radius:.35rem;padding:.35rem .7rem}
        button{cursor:pointer}form{display:inline-flex;gap:.5rem;flex-wrap:wrap}
        ul.plain{list-style:none;padding:0;margin:0}
        del{color:var(--bad);text-decoration:none}del::before{content:"\\2212\\00a0"}ins{color:var(--good);text-decoration:none}ins::before{content:"+\\00a0"}
        #live{color:var(--dim)}#live[data-on="1"]{color:var(--good)}
        @media (max-width:40rem){main{padding:.6rem .6rem 3rem}header{padding:.6rem}.cards{display:grid;grid-template-columns:repeat(4,1fr);gap:.4rem}.cards li{min-width:0;padding:.4rem .5rem;font-size:.85rem}
        table.stack thead{position:absolute;left:-99rem}table.stack tr{display:block;border-top:1px solid var(--line);padding:.3rem 0}
        table.stack td{display:block;border:0;padding:.1rem .7rem}}
        @media (prefers-reduced-motion:no-preference){.fresh{animation:fresh 1.6s}@keyframes fresh{from{background:color-mix(in srgb,var(--link) 25%,transparent)}}}

        """

    /// Takes the page's content anew when something happens; without it the page is as it was when it was opened.
    static let script = """
        (function () {
          'use strict';
          var live = document.getElementById('live'), timer = 0, busy = false, again = false;
          function say(on) { if (live) { live.dataset.on = on ? '1' : '0'; live.textContent = on ? 'live' : 'not live'; } }
          function refresh() {
            if (busy) { again = true; return; }
            busy = true;
            fetch(location.href, {headers: {Accept: 'text/html'}, credentials: 'same-origin'}).then(function (answer) {
              if (!answer.ok) { throw new Error(String(answer.status)); }
              return answer.text();
            }).then(function (text) {
              var fresh = new DOMParser().parseFromString(text, 'text/html').querySelector('main');
              var main = document.querySelector('main'), active = document.activeElement;
              // Whoever writes into a field is not disturbed.
              if (!fresh || (active && main.contains(active) && active.tagName === 'INPUT')) { return; }
              var old = {};
              main.querySelectorAll('[data-key]').forEach(function (row) { old[row.dataset.key] = row.textContent; });
              var focus = active && active.dataset ? active.dataset.focus : null;
              fresh.querySelectorAll('[data-key]').forEach(function (row) {
                if (old[row.dataset.key] !== row.textContent) { row.classList.add('fresh'); }
              });
              main.replaceWith(fresh);
              if (focus) { var next = fresh.querySelector('[data-focus="' + CSS.escape(focus) + '"]'); if (next) { next.focus(); } }
            }).catch(function () { say(false); }).finally(function () {
              busy = false;
              if (again) { again = false; soon(); }
            });
          }
          function soon() { clearTimeout(timer); timer = setTimeout(refresh, 150); }
          var source = new EventSource('/api/v1/events/stream');
          source.onopen = function () { say(true); soon(); };
          source.onerror = function () { say(false); };
          (document.body.dataset.reasons || '').split(' ').forEach(function (reason) {
            if (reason) { source.addEventListener(reason, soon); }
          });
          addEventListener('pagehide', function () { source.close(); });
        })();

        """
}
