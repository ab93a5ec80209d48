"""What strangers write, and what other sites do, against the dashboard and the API behind it."""
import http.server
import json
import re
import threading
import unittest

from browser import PageError
from pipelines import VALIDATE, VERIFY, shell
from signed_in import BOOKSHOP, GATED, DashboardTest
from stack import ROOT, wait_for

MARKUP = """<img src=x onerror="hacked=1"><script>hacked=1</script>'"><svg onload=hacked=1><a href="javascript:hacked=1">x</a>"""
SAYS = shell("says", f"cat <<'END'\n{MARKUP}\nEND\ncat >&2 <<'END'\n{MARKUP}\nEND\nexit 3", attempts=1)
HOSTILE = GATED | {"pipelines": {**GATED["pipelines"], "stainless_compatible": [VERIFY, VALIDATE, SAYS]}}

# What makes markup or script of text. Not one of them is needed.
MAKERS = r"innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|srcdoc|DOMParser|createContextualFragment" \
         r"|\beval\(|new Function|javascript:|setHTML"


class Hostile(DashboardTest):
    options = {**DashboardTest.options, "pipelines": HOSTILE}

    def untouched(self, page, *texts):
        for text in texts:
            page.until(f"it is shown as it is: {text}", f"document.body.textContent.includes({json.dumps(text)})")
        self.assertEqual(page.evaluate("typeof hacked"), "undefined")
        self.assertEqual(page.evaluate("document.querySelectorAll('img, script:not([src]), svg[onload], main a[href^=javascript]').length"), 0)
        self.assertEqual(page.wrong(), [])

    def test_markup_in_what_strangers_wrote_is_text(self):
        document = json.dumps({"openapi": "3.0.3", "info": {"title": MARKUP, "version": MARKUP}, "paths": {}})
        run = self.start(document, mode="stainless_compatible", configText="{}", openapiFileName="<img src=x onerror=hacked=1>.yaml",
                         projectName=MARKUP[:190], notes=MARKUP)
        self.stack.wait_status(run, "failed")
        retry = self.client.retry(run, reason=MARKUP).json["run"]["id"]
        self.stack.wait_status(retry, "failed")
        page = self.page(at="#/runs")
        self.untouched(page, MARKUP, f"retry 1: {MARKUP}")
        page.evaluate(f"location.hash = '#/runs/{retry}'")
        self.untouched(page, MARKUP, "<img src=x onerror=hacked=1>.yaml", f"{MARKUP}\n{MARKUP}\n[the command exited with 3]")
        self.assertEqual(page.evaluate("document.querySelector('h1').textContent"), MARKUP)
        for at in ("dead", "failures", "overview"):
            page.evaluate(f"location.hash = '#/{at}'")
            page.until("it is loaded", "document.querySelector('h1') && !document.querySelector('.waiting')")
            self.untouched(page)
        for at in (f"runs?q={MARKUP}", MARKUP, f"runs/{MARKUP}", f"bulk?of=dead&step={MARKUP}", "runs/..%2f..%2f", "__proto__"):
            page.evaluate(f"location.hash = {json.dumps('#/' + at)}")
            page.until("a page is shown", "document.querySelector('h1')")
            self.untouched(page)

    def test_a_page_that_a_generator_made_is_saved_and_never_shown(self):
        run = self.start()
        self.gates.open(run)
        self.stack.wait_status(run, "complete")
        page = self.page(at=f"#/runs/{run}")
        page.browser.call("Browser.setDownloadBehavior", behavior="allow", browserContextId=page.context,
                          downloadPath=str(self.stack.dir / "side"), eventsEnabled=True)
        page.click("main button.file", "reports/report.html")
        saved = self.stack.dir / "side/report.html"
        page.until("the address is as it was", f"location.hash === '#/runs/{run}' && typeof hacked === 'undefined'")
        page.until_true("the file is saved", lambda: saved.exists() and saved.read_text() == "<script>top.hacked = 1</script>")
        self.untouched(page)

    def test_the_policy_stops_what_would_get_in(self):
        """The checks above would see it: here somebody does get a string into a page, and it comes to nothing."""
        page = self.page()
        for made in ("document.body.innerHTML = '<b>x</b>'", "document.body.insertAdjacentHTML('beforeend', '<b>x</b>')", "eval('1')"):
            with self.assertRaises(PageError):
                page.evaluate(f"(() => {{ {made}; return 1; }})()")
        page.evaluate("document.body.append(Object.assign(document.createElement('img'), {src: 'https://example.com/x.png'})), 1")
        said = page.until_true("the browser says what it stopped", page.wrong)
        self.assertRegex(" ".join(said), "img-src|TrustedHTML|unsafe-eval|ContentSecurityPolicy")
        self.assertEqual(page.evaluate("typeof hacked"), "undefined")
        page.until_true("nothing more is said", lambda: not page.wrong())

    def test_another_site_changes_nothing(self):
        """With the same browser, in which somebody is signed in: there is no cookie that would come along."""
        run = self.start()
        mine = self.page(at=f"#/runs/{run}")
        self.at_gate(mine, "one")
        wait_for("only this run is at work", lambda: (self.stack.stats().get("queued", 0), self.stack.stats()["running"]) == (0, 1))
        before = self.stack.run_hash(run)
        counted = self.stack.stats()
        with another_site() as site:
            theirs = self.browser.page(beside=mine)
            theirs.go(site)
            theirs.until("their page is there", "document.title === 'theirs'")
            api = f"http://127.0.0.1:{self.stack.port}"
            for path, body in ((f"/api/runs/{run}/cancel", "{}"), (f"/api/runs/{run}/retry", '{"reason":"theirs"}'),
                               ("/api/reports/start", json.dumps({"openapiText": BOOKSHOP})), ("/api/queue/pause", "{}")):
                for media in ("text/plain", "application/json"):
                    answered = theirs.evaluate(
                        f"fetch({json.dumps(api + path)}, {{method: 'POST', body: {json.dumps(body)}, credentials: 'include', "
                        f"headers: {{'Content-Type': '{media}'}}}}).then((r) => 'read ' + r.status, () => 'kept from them')")
                    self.assertEqual(answered, "kept from them")
                theirs.evaluate(f"fetch({json.dumps(api + path)}, {{method: 'POST', mode: 'no-cors', body: {json.dumps(body)}, credentials: 'include'}})"
                                ".then(() => 1, () => 1)")
            theirs.evaluate(f"(f => {{ f.action = {json.dumps(f'{api}/api/runs/{run}/cancel')}; f.submit(); }})(document.forms[0])")
            theirs.until("the form is answered", "document.body.innerText.includes('unauthorized')")
            theirs.go(site)
            theirs.until("their page is there", "document.title === 'theirs'")
            theirs.evaluate(f"(f => {{ f.src = {json.dumps(self.url)}; document.body.append(f); return new Promise((r) => {{ f.onload = r; }}); }})"
                            "(document.createElement('iframe')).then(() => 1)")
            theirs.until_true("no frame shows the dashboard", lambda: any("frame-ancestors" in w or "FrameAncestors" in w for w in theirs.wrong()))
            theirs.close_tab()
        self.assertEqual(self.stack.run_hash(run)["seq"], before["seq"])
        self.assertEqual(self.stack.stats(), counted)
        mine.until("it is still at work", "document.querySelector('.lead .status').innerText === 'running'")

    def test_no_source_of_it_makes_markup_of_text(self):
        sources = [path for path in (ROOT / "api/dashboard").rglob("*") if path.suffix in (".js", ".jsx", ".mjs", ".html")
                   and "node_modules" not in path.parts]
        self.assertGreater(len(sources), 20)
        found = [f"{path.name}:{n}: {line.strip()}" for path in sources for n, line in enumerate(path.read_text("utf-8").splitlines(), 1)
                 if re.search(MAKERS, line)]
        self.assertEqual(found, [])


class another_site:
    """A site of its own origin: another port is another origin."""

    def __enter__(self):
        class Pages(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = b"<!doctype html><title>theirs</title><form method=post enctype=text/plain><input name='{\"a\":\"' value='\"}'></form>"
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}/"

    def __exit__(self, *failed):
        self.server.shutdown()
        self.server.server_close()


if __name__ == "__main__":
    unittest.main()
