"""A real headless Chromium, driven by its DevTools protocol over a pipe: what people see, click and type."""
import base64
import collections
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import time

from process import end_with_us, wait_for
from stack import ROOT

CHROMIUM = ROOT / "tests/browser/chromium"
MODIFIERS = {"Control": 2, "Shift": 8}
CODES = {"Enter": 13, "Escape": 27, "Tab": 9}


class PageError(AssertionError):
    pass


class Browser:
    def __init__(self):
        if not (CHROMIUM / "chromium").exists():
            raise AssertionError(f"there is no browser in {CHROMIUM}: scripts/setup --test installs it")
        self.profile = pathlib.Path(tempfile.mkdtemp(prefix="rp-browser-"))
        to_browser, from_us = os.pipe()
        from_browser, to_us = os.pipe()

        def in_child():  # it reads 3 and writes 4; numbers of ours may be the same
            end_with_us()
            reading, writing = os.dup(to_browser), os.dup(to_us)
            os.dup2(reading, 3)
            os.dup2(writing, 4)

        environment = {**os.environ, "LD_LIBRARY_PATH": str(CHROMIUM / "lib"), "FONTCONFIG_FILE": str(CHROMIUM / "fonts.conf"),
                       "HOME": str(self.profile), "TZ": "UTC", "LANG": "en_US.UTF-8"}
        self.log = open(self.profile / "log", "wb")
        self.child = subprocess.Popen(
            [CHROMIUM / "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--hide-scrollbars", "--font-render-hinting=none", "--remote-debugging-pipe", f"--user-data-dir={self.profile}/data",
             "about:blank"],
            cwd=CHROMIUM, env=environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, close_fds=False,
            start_new_session=True, preexec_fn=in_child)
        os.close(to_browser)
        os.close(to_us)
        self.sending, self.receiving = from_us, from_browser
        self.rest, self.number, self.events = b"", 0, collections.deque(maxlen=5000)

    def message(self, deadline):
        while b"\0" not in self.rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.receiving], [], [], left)[0]:
                raise PageError("the browser does not answer")
            piece = os.read(self.receiving, 1 << 20)
            if not piece:
                raise PageError("the browser has ended:\n" + (self.profile / "log").read_text("utf-8", "replace")[-3000:])
            self.rest += piece
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def call(self, method, session=None, seconds=15, **parameters):
        self.number += 1
        sent = {"id": self.number, "method": method, "params": parameters}
        if session:
            sent["sessionId"] = session
        data = json.dumps(sent).encode() + b"\0"
        while data:
            data = data[os.write(self.sending, data):]
        deadline = time.monotonic() + seconds
        while True:
            message = self.message(deadline)
            if message.get("id") == self.number:
                if "error" in message:
                    raise PageError(f"{method}: {message['error']}")
                return message["result"]
            if "method" in message:
                self.events.append(message)

    def page(self, **more):
        return Page(self, **more)

    def close(self):
        try:
            self.call("Browser.close")
            self.child.wait(10)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            pass
        if self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGKILL)  # its own session: these are our processes only
            self.child.wait()
        self.log.close()
        os.close(self.sending)
        os.close(self.receiving)
        shutil.rmtree(self.profile, ignore_errors=True)


class Page:
    """A tab with a storage of its own. What goes wrong in it is in `wrong`, and fails whoever closes it."""

    def __init__(self, browser, width=1280, height=900, dark=False, beside=None):
        """`beside`: a page whose cookies and whatever else tabs share it has too."""
        self.browser = browser
        self.context = beside.context if beside else browser.call("Target.createBrowserContext")["browserContextId"]
        self.target = browser.call("Target.createTarget", url="about:blank", browserContextId=self.context)["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.call(f"{domain}.enable")
        self.resize(width, height, dark)

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def resize(self, width, height=900, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}, {"name": "prefers-reduced-motion", "value": "reduce"}])

    def go(self, url):
        self.call("Page.navigate", url=url)

    def evaluate(self, expression):
        """In the page's own world."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True,
                           allowUnsafeEvalBlockedByCSP=False)
        if "exceptionDetails" in answer:
            raise PageError(f"{expression}: {answer['exceptionDetails'].get('exception', answer['exceptionDetails'])}")
        return answer["result"].get("value")

    def until(self, what, expression, seconds=10):
        """Until the expression is something true in the page, which is answered."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                found = self.evaluate(f"(() => {{ {FIND}; const found = {expression}; return found instanceof Node || found; }})()")
            except PageError as error:  # the document is being replaced
                found, last = None, str(error)
            else:
                last = ""
            if found:
                return found
            if time.monotonic() > deadline:
                raise PageError(f"not within {seconds} s: {what} {last}\n--- the page says ---\n{self.text()[:3000]}\n{self.wrong()}")
            time.sleep(0.02)

    def until_true(self, what, condition, seconds=10):
        """The same for what is seen outside of the page."""
        return wait_for(what, lambda: (self.evaluate("0"), condition())[1], seconds)

    def text(self):
        return self.evaluate("document.body?.innerText ?? ''")

    def sees(self, text, seconds=10):
        return self.until(f"the page says {text!r}", f"document.body.innerText.includes({json.dumps(text)})", seconds)

    # --- hands ---

    def click(self, kind, name, seconds=10):
        """The element of this selector whose text or label begins so, once it can be pressed: with the mouse, in its middle."""
        self.until(f"a {kind} called {name!r} that can be pressed",
                   f"find({json.dumps(kind)}, {json.dumps(name)})", seconds)
        # Where it is, once two looks agree that it stays there.
        place, before = None, ()
        deadline = time.monotonic() + seconds
        while place is None or place != before:
            before = place
            place = self.until(f"the place of {name!r}", f"place(find({json.dumps(kind)}, {json.dumps(name)}))")
            if time.monotonic() > deadline:
                raise PageError(f"{name!r} does not stay where it is")
        for kind_of in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind_of, x=place[0], y=place[1], button="left", clickCount=1)

    def write(self, text):
        self.call("Input.insertText", text=text)

    def press(self, *keys):
        for key in keys:
            code = {"key": key, "windowsVirtualKeyCode": CODES.get(key, ord(key.upper()[0]))}
            if key == "Enter":
                code["text"] = "\r"
            elif len(key) == 1:
                code["text"] = key
            self.call("Input.dispatchKeyEvent", type="keyDown", **code)
            self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code["windowsVirtualKeyCode"])

    def fill(self, selector, text):
        self.until(f"the focus is in {selector}", "(e => { e?.focus(); e?.select?.(); return e && e === document.activeElement; })"
                   f"(document.querySelector({json.dumps(selector)}))")
        self.write(text)

    # --- eyes ---

    def wrong(self):
        """Scripts that failed, errors on the console, and what a policy forbade, since the last time."""
        self.evaluate("0")  # what was said before this is here
        found, kept = [], collections.deque(maxlen=5000)
        for event in self.browser.events:
            if event.get("sessionId") != self.session:
                kept.append(event)
                continue
            method, said = event["method"], event["params"]
            if method == "Runtime.exceptionThrown":
                found.append(str(said["exceptionDetails"].get("exception", said["exceptionDetails"]))[:500])
            elif method == "Audits.issueAdded" and said["issue"]["code"] == "ContentSecurityPolicyIssue":
                found.append(str(said["issue"])[:500])
            elif method == "Runtime.consoleAPICalled" and said["type"] == "error":
                found.append("console: " + str([a.get("value", a.get("description")) for a in said["args"]])[:500])
            elif method == "Log.entryAdded" and said["entry"]["level"] == "error" and said["entry"]["source"] != "network":
                found.append(said["entry"]["text"][:500])
        self.browser.events = kept
        return found

    def screenshot(self, name):
        folder = os.environ.get("REPRISE_SCREENSHOTS")
        if not folder:
            return
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        height = self.evaluate("document.documentElement.scrollHeight")
        width = self.evaluate("innerWidth")
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True,
                         clip={"x": 0, "y": 0, "width": width, "height": min(height, 3000), "scale": 1})
        pathlib.Path(folder, f"{name}.png").write_bytes(base64.b64decode(shot["data"]))

    def close_tab(self):
        self.browser.call("Target.closeTarget", targetId=self.target)

    def close(self):
        self.browser.call("Target.disposeBrowserContext", browserContextId=self.context)


FIND = """
const find = (kind, name) => [...document.querySelectorAll(kind)].find((e) => !e.disabled && e.checkVisibility()
    && ((e.getAttribute('aria-label') ?? '').startsWith(name) || e.textContent.trim().startsWith(name)));
const place = (e) => { e.scrollIntoView({ block: 'center' }); const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; };
"""
