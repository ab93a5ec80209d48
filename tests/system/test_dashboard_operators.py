"""The dashboard with an operator's key: all organisations, charts, workers, pauses, who did what."""
import unittest

from signed_in import DashboardTest


class Operators(DashboardTest):
    @classmethod
    def prepare(cls):
        super().prepare()
        cls.operator = cls.stack.key("*", "ops:read,ops:write", user="olga")
        cls.reader = cls.stack.key("*", "ops:read", user="rita")

    def test_runs_of_all_organisations_are_seen_and_acted_on(self):
        mine, run = self.start(), self.stack.client("shelves").start("{}").json["run"]["id"]
        self.stack.wait_status(run, "failed")
        page = self.page(self.operator, "#/runs")
        page.until("both are listed", f"document.querySelector('a[href=\"#/runs/{run}\"]') && document.querySelector('a[href=\"#/runs/{mine}\"]')")
        page.sees("shelves")
        page.evaluate(f"location.hash = '#/runs/{mine}'")
        self.at_gate(page, "one")
        self.cancel(page, "By the operator")
        page.press("g", "a")
        page.sees("By the operator")

    def test_a_pause_is_made_explained_and_lifted(self):
        page = self.page(self.operator, "#/queue")
        page.until("the queue is there", "document.querySelector('.figures')")
        page.fill("input[name=reason]", "Disk is being replaced")
        page.click("form button", "Pause")
        page.sees("Everything is paused")
        run = self.start()
        page.evaluate(f"location.hash = '#/runs/{run}'")
        page.sees("Why it waits")
        page.screenshot("operator-explain-1280-light")
        page.press("g", "o")
        page.sees("Disk is being replaced")
        page.screenshot("operator-paused-1280-light")
        page.click("main button", "Resume")
        page.until("nothing is paused", "!document.querySelector('.pauses')")
        self.gates.open(run)
        self.stack.wait_status(run, "complete")

    def test_a_worker_is_quieted_and_resumed(self):
        page = self.page(self.operator, "#/workers")
        worker = self.stack.workers[0].id
        page.sees(worker)
        page.click("button", "Quiet")
        page.fill("dialog textarea", "Kernel update")
        page.click("dialog button", "Quiet")
        page.until("it is quiet", "document.querySelector('.worker .status').innerText === 'quiet'", seconds=20)
        page.click("button", "Resume")
        page.click("dialog button", "Resume")
        page.until("it takes runs again", "document.querySelector('.worker .status').innerText === 'running'", seconds=20)

    def test_charts_are_drawn_of_what_was_sampled(self):
        page = self.page(self.operator)
        page.until("four charts", "document.querySelectorAll('.chart canvas').length === 4", seconds=30)
        drawn = """[...document.querySelectorAll('.chart canvas')].every((c) =>
            new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer).some((pixel) => pixel !== 0))"""
        page.until("something is drawn in each", drawn)
        page.click("button", "Week")
        page.until("the week is drawn", f"document.querySelector('[aria-pressed=true]').innerText && {drawn}")

    def test_who_only_reads_is_told_why_nothing_can_be_done(self):
        run = self.start()
        page = self.page(self.reader, f"#/runs/{run}")
        page.sees("lacks ops:write")
        for at in ("workers", "queue"):
            page.evaluate(f"location.hash = '#/{at}'")
            page.sees("lacks ops:write")

    def test_every_page_fits(self):
        going = self.start()
        page = self.page(self.operator)
        for dark in (False, True):
            for width in (1280, 390):
                page.resize(width, 844 if width < 500 else 900, dark)
                for at in ("overview", "runs", "workers", "queue", "audit", "failures", "dead", "bulk", f"runs/{going}"):
                    page.evaluate(f"location.hash = '#/{at}'")
                    page.until("it is loaded", "document.querySelector('h1') && !document.querySelector('.waiting')")
                    self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), width, f"{at} at {width}")
                    page.screenshot(f"operator-{at.partition('/')[0]}{'-one' if '/' in at else ''}-{width}-{'dark' if dark else 'light'}")


if __name__ == "__main__":
    unittest.main()
