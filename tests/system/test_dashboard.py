"""The dashboard as people use it, in a real browser: an organisation's key."""
import json
import re
import unittest

from signed_in import LANES, STEPS, DashboardTest

WIDTHS = (1280, 390)


class Dashboard(DashboardTest):
    def test_a_run_is_found_read_retried_and_watched_and_another_is_canceled(self):
        run = self.start()
        self.gates.open(run)
        self.stack.wait_status(run, "complete")
        page = self.page()
        page.sees("Latest runs")
        page.press("/")
        page.write(run)
        page.press("Enter")
        page.until("the run is shown", f"document.querySelector('h1')?.innerText === 'Bookshop' && location.hash.endsWith({run!r})")
        page.until("its timeline is whole", f"JSON.stringify({LANES}) === {json.dumps(json.dumps(dict.fromkeys(STEPS, 'completed'), separators=(',', ':')))}")
        events = self.client.get(f"/api/runs/{run}/history").json["events"]
        told = page.until("every event is listed", f"(e => e.length === {len(events)} && e)([...document.querySelectorAll('.events li')]"
                          ".map((li) => [li.children[2].innerText, li.children[3].innerText]))")
        self.assertEqual(told, [[e["type"].partition(".")[2], e.get("step", "the run")] for e in events])
        page.click("button.lane-name", "report")
        page.sees("report of 3 operations")

        page.evaluate("window.same = true")  # of this document: nothing below loads it anew
        page.click("button", "Retry")
        page.fill("dialog textarea", "The shop has a new shelf")
        page.click("dialog button", "Retry")
        page.until("the retry is shown", f"location.hash.includes('runs/run_') && !location.hash.endsWith({run!r})")
        retry = page.evaluate("location.hash").rpartition("/")[2]
        self.addCleanup(self.gates.open, retry)
        lineage = self.client.get(f"/api/runs/{retry}").json["inputSummary"]["lineage"]
        self.assertEqual((lineage["retryOf"], lineage["reason"]), (run, "The shop has a new shelf"))
        page.sees("The shop has a new shelf")
        for name in ("one", "two"):
            self.at_gate(page, name)
            self.gates.open(retry, name)
            self.lane_is(page, name, "completed")
        page.until("it is complete", "document.querySelector('.lead .status').innerText === 'complete'")

        other = self.start()
        page.fill("#search", other)
        page.press("Enter")
        self.at_gate(page, "one")
        self.cancel(page, "Not needed any more")
        page.until("Cancel cannot be pressed", "[...document.querySelectorAll('button')].find((b) => b.innerText === 'Cancel').disabled")
        page.sees("The run has ended already.")
        self.assertEqual(self.client.get(f"/api/runs/{other}").json["status"], "canceled")
        self.assertTrue(page.evaluate("window.same"))

    def test_a_wrong_key_is_told_so_and_kept_nowhere(self):
        page = self.browser.page()
        self.addCleanup(page.close)
        page.go(self.url)
        page.fill("input[name=key]", "rp_wrong")
        page.press("Enter")
        page.until("it says so", "/wrong|unknown/.test(document.querySelector('[role=alert]')?.innerText)")
        self.assertEqual(page.evaluate("[sessionStorage.length, localStorage.length, document.cookie]"), [0, 0, ""])

    def test_the_key_is_in_this_tab_only_and_gone_after_signing_out(self):
        page = self.page()
        self.assertEqual(page.evaluate("Object.values(sessionStorage)"), [self.client.key])
        self.assertEqual(page.evaluate("[JSON.stringify(localStorage), document.cookie]"), ["{}", ""])
        page.click("button", "Sign out")
        page.sees("API key")
        self.assertEqual(page.evaluate("sessionStorage.length"), 0)

    def test_a_key_that_is_revoked_signs_out(self):
        key = self.stack.key()
        page = self.page(key)
        page.sees("Latest runs")
        self.stack.admin("keys", "revoke", key.split("_")[1])
        page.click("nav a", "Runs")
        page.until("it asks for a key", "document.querySelector('input[name=key]')", seconds=15)

    def test_filters_stand_in_the_address_and_pages_go_on(self):
        failed = self.failed()
        for _ in range(2):
            self.gates.open(self.start())
        page = self.page(at="#/runs?status=failed")
        page.until("only failed runs", "document.querySelectorAll('tbody tr').length && "
                   "[...document.querySelectorAll('tbody .status')].every((s) => s.innerText === 'failed')")
        self.assertTrue(page.evaluate(f"Boolean(document.querySelector('a[href=\"#/runs/{failed}\"]'))"))
        page.evaluate("(s => { s.value = ''; s.dispatchEvent(new Event('change', {bubbles: true})); })(document.querySelector('select[name=status]'))")
        page.until("the filter is gone", "location.hash === '#/runs'")
        page.fill("input[name=q]", "Bookshop")
        page.press("Enter")
        page.until("the project is looked for", "location.hash === '#/runs?q=Bookshop'")

    def test_what_cannot_be_done_says_why(self):
        run = self.failed()
        page = self.page(self.stack.key(scopes="runs:read"), f"#/runs/{run}")
        page.sees("lacks runs:write")
        self.assertTrue(page.evaluate("[...document.querySelectorAll('.run-acts button')].every((b) => b.disabled)"))

        own = self.stack.client("poor")
        run = own.start("{}").json["run"]["id"]
        self.stack.wait_status(run)
        self.stack.admin("orgs", "set", "poor", "--plan", "inactive")
        page = self.page(own.key, f"#/runs/{run}")
        page.sees("The organisation's plan is not active")

    def test_failures_and_dead_letters_lead_to_their_runs(self):
        run = self.failed()
        page = self.page(at="#/failures")
        page.sees("check_client")
        page.click("main a[data-row]", "step_failed")
        page.until("its runs are shown", f"document.querySelector('a[href=\"#/runs/{run}\"]')")
        page.press("g", "d")
        page.until("dead letters", "document.querySelector('h1').innerText === 'Dead letters'")
        page.sees("no such type: Shelf")
        page.click("td button", "Retry")
        page.click("dialog button", "Retry")
        page.until("the retry is shown", "location.hash.startsWith('#/runs/run_')")

    def test_many_are_counted_retried_and_their_progress_is_seen(self):
        self.failed()
        page = self.page(at="#/bulk?of=failed")
        page.click("button", "Count")
        page.sees("would be retried")
        page.click("form button", "Retry")
        page.until("the wave has ended", "['done', 'canary failed'].includes(document.querySelector('.wave .status')?.innerText)", seconds=30)
        page.screenshot("bulk-wave-1280-light")

    def test_updates_can_be_paused(self):
        run = self.start()
        page = self.page(at=f"#/runs/{run}")
        self.at_gate(page, "one")
        page.press("p")
        page.sees("Paused")
        self.gates.open(run)
        self.stack.wait_status(run, "complete")
        self.assertEqual(page.evaluate(LANES)["one"], "running")
        page.press("p")
        self.lane_is(page, "two", "completed")

    def test_everything_is_reached_by_keyboard(self):
        page = self.page()
        for key, title in (("r", "Runs"), ("f", "Failures"), ("d", "Dead letters"), ("o", "Overview")):
            page.press("g", key)
            page.until(title, f"document.querySelector('h1')?.innerText === {title!r}")
        page.press("?")
        page.until("help", "document.querySelector('dialog[open]')")
        page.press("Escape")
        page.until("no help", "!document.querySelector('dialog')")
        bare = page.evaluate("[...document.querySelectorAll('button, a, input, select')].filter((e) => !(e.innerText.trim() || "
                             "e.ariaLabel || e.labels?.length)).map((e) => e.outerHTML)")
        self.assertEqual(bare, [])

    def test_every_page_fits_and_is_well_in_both_colours(self):
        run = self.failed(notes="nightly")
        retry = self.client.retry(run, reason="The linter was fixed").json["run"]["id"]
        self.stack.wait_status(retry, "failed")
        going = self.start()
        page = self.page()
        for dark in (False, True):
            for width in WIDTHS:
                page.resize(width, 844 if width < 500 else 900, dark)
                for name, at in (("overview", "overview"), ("runs", "runs"), ("run", f"runs/{retry}"), ("live", f"runs/{going}"),
                                 ("failures", "failures"), ("dead", "dead"), ("bulk", "bulk")):
                    page.evaluate(f"location.hash = '#/{at}'")
                    page.until("it is loaded", "document.querySelector('h1') && !document.querySelector('.waiting')")
                    if name in ("run", "live"):
                        page.until("its events are there", "document.querySelectorAll('.events li').length > 3")
                    self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), width, f"{name} at {width}")
                    page.screenshot(f"{name}-{width}-{'dark' if dark else 'light'}")
        colours = {scheme: page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
                   for scheme in ("light", "dark") if not page.resize(1280, dark=scheme == "dark")}
        self.assertEqual(len(set(colours.values())), 2, colours)


class Served(DashboardTest):
    def test_it_is_cached_by_its_content_and_holds_nothing_but_its_own(self):
        page = self.client.call("GET", "/dashboard/", key="")
        self.assertEqual((page.status, page.headers["Content-Type"], page.headers["Cache-Control"]), (200, "text/html; charset=utf-8", "no-cache"))
        self.assertEqual(self.client.get("/dashboard").body, page.body)
        policy = dict(part.split(" ", 1) for part in page.headers["Content-Security-Policy"].split("; "))
        self.assertEqual(policy, {
            "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "connect-src": "'self'", "img-src": "'self' data:",
            "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'", "require-trusted-types-for": "'script'", "trusted-types": "'none'"})
        self.assertEqual((page.headers["X-Content-Type-Options"], page.headers["Referrer-Policy"]), ("nosniff", "no-referrer"))
        links = re.findall(r'(?:src|href)="([^"]*)"', page.body.decode())
        assets = [link for link in links if not link.startswith("data:")]
        self.assertEqual([re.sub(r"-[0-9a-f]{16}", "", link) for link in assets], ["/dashboard/app.css", "/dashboard/app.js"])
        for target, media in (("/dashboard/", "text/html"), (assets[0], "text/css"), (assets[1], "text/javascript")):
            answer = self.client.call("GET", target, key="")
            self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, f"{media}; charset=utf-8"))
            self.assertEqual(self.client.call("HEAD", target).headers["Content-Length"], str(len(answer.body)))
            known = self.client.get(target, headers={"If-None-Match": answer.headers["ETag"]})
            self.assertEqual((known.status, known.body), (304, b""))
            if target in assets:
                self.assertIn("immutable", answer.headers["Cache-Control"])
                self.assertIn(answer.headers["ETag"].strip('"'), target)
        self.assertEqual(self.client.get("/dashboard/app-0000000000000000.js").status, 404)


if __name__ == "__main__":
    unittest.main()
