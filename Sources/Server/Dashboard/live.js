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
