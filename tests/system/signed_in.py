"""The dashboard in a browser, before a stack whose runs go as far as a test lets them."""
from browser import Browser
from pipelines import VALIDATE, VERIFY, pipelines, shell
from stack import DOCUMENTS
from watching import GatedTest, gate

BOOKSHOP = (DOCUMENTS / "bookshop.yaml").read_text("utf-8")
FAILS = shell("check_client", "echo 'client.ts: 3 problems'; echo 'no such type: Shelf' >&2; exit 3", attempts=1)
REPORT = shell("report", "printf '<script>top.hacked = 1</script>' > report.html; echo 'report of 3 operations'",
               artifacts=[{"key": "reports/report.html", "path": "report.html", "contentType": "text/html"}])
GATED = pipelines(VERIFY, VALIDATE, REPORT, gate("one"), gate("two"), stainless_compatible=[VERIFY, VALIDATE, FAILS])
STEPS = ["verify_inputs", "validate_spec", "report", "one", "two"]

LANES = """Object.fromEntries([...document.querySelectorAll('.lane.is-step')]
    .map((lane) => [lane.querySelector('.lane-name').innerText, lane.querySelector('.lane-status').innerText]))"""


class DashboardTest(GatedTest):
    """A browser for all tests of a class; a page of its own for each."""
    options = {"pipelines": GATED, "workers": 0, "concurrency": 8}

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.url = f"http://127.0.0.1:{cls.stack.port}/dashboard/"
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def start(self, text=BOOKSHOP, **fields):
        return super().start(text, **{"openapiFileName": "bookshop.yaml", **fields})

    def failed(self, **fields):
        run = self.start(mode="stainless_compatible", configText="{}", **fields)
        self.stack.wait_status(run, "failed")
        return run

    def page(self, key=None, at="", **more):
        """Signed in, at this place, and nothing has gone wrong in it by the end of the test."""
        page = self.browser.page(**more)
        self.addCleanup(page.close)
        self.addCleanup(lambda: self.assertEqual(page.wrong(), []))
        page.go(self.url + at)
        page.fill("input[name=key]", key or self.client.key)
        page.press("Enter")
        page.until("signed in", "document.querySelector('.top nav')")
        return page

    def lane_is(self, page, step, status):
        page.until(f"{step} is {status}", f"({LANES})[{step!r}] === {status!r}")

    def at_gate(self, page, name):
        self.lane_is(page, name, "running")

    def cancel(self, page, reason):
        page.click("button", "Cancel")
        page.fill("dialog textarea", reason)
        page.click("dialog button", "Cancel the run")
        page.until("it is canceled", "document.querySelector('.lead .status').innerText === 'canceled'")
