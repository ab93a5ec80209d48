"""The listener beside the work: metrics and probes on an address of its own, whatever the rest does, at the expense of nobody."""
import http.client
import re
import signal
import socket
import subprocess
import time
import unittest

from pipelines import BUILT_IN_ONLY
from scraping import admin_get, scrape
from stack import BIN, StackTest, wait_for

MOST = 16  # connections


class AdminListener(StackTest):
    options = {"pipelines": BUILT_IN_ONLY,
               "settings": ("--admin-listen", "127.0.0.1:0", "--lease", 2000, "--beat", 500, "--redis-timeout", 1000)}

    @classmethod
    def prepare(cls):
        cls.processes = (cls.stack.api, cls.stack.workers[0])

    def ready(self, process):
        return admin_get(process, "/readyz")[0]

    def test_pages(self):
        for process in self.processes:
            with self.subTest(process.name):
                wait_for("it is ready", lambda: self.ready(process) == 200)
                self.assertEqual(admin_get(process, "/livez")[::2], (200, '{"status":"live"}'))
                self.assertEqual(admin_get(process, "/readyz?x=1")[::2], (200, '{"status":"ready"}'))
                self.assertEqual(admin_get(process, "/api/runs")[0], 404)
                status, headers, _ = admin_get(process, "/metrics", method="POST")
                self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD"))
                status, headers, text = admin_get(process, "/metrics", method="HEAD")
                self.assertEqual((status, text), (200, ""))
                self.assertGreater(int(headers["Content-Length"]), 5000)

    def test_on_the_main_listener_a_key_is_asked_for(self):
        client = self.stack.client()
        self.assertEqual(client.call("GET", "/metrics", key="").status, 401)
        self.assertEqual(client.get("/metrics").status, 403)
        shown = client.get("/metrics", key=self.stack.key(org="*", scopes="ops:read"))
        self.assertEqual((shown.status, shown.headers["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
        self.assertIn(b"\nreprise_http_connections 1\n", shown.body)
        worker = http.client.HTTPConnection("127.0.0.1", self.stack.port, timeout=10)
        worker.request("GET", "/readyz")
        self.assertEqual(worker.getresponse().status, 200)
        worker.close()

    def connect(self, process):
        return socket.create_connection(("127.0.0.1", int(process.wait_log("admin_serving")["port"])), timeout=20)

    def test_those_that_say_nothing_keep_others_waiting_for_seconds_at_most(self):
        for process in self.processes:
            with self.subTest(process.name):
                idle = [self.connect(process) for _ in range(MOST)]
                began = time.monotonic()
                self.assertEqual(admin_get(process, "/livez")[0], 200)
                waited = time.monotonic() - began
                self.assertTrue(2 < waited < 12, waited)  # until the first of them had had its five seconds
                for one in idle:
                    self.assertEqual(one.recv(1), b"")
                    one.close()

    def test_they_cost_the_main_listener_nothing(self):
        idle = [self.connect(self.stack.api) for _ in range(2 * MOST)]
        client = self.stack.client()
        began = time.monotonic()
        for _ in range(20):
            self.assertEqual(client.get("/api/projects").status, 200)
        self.assertLess(time.monotonic() - began, 3)
        for one in idle:
            one.close()

    def test_a_large_head_is_not_read_to_its_end(self):
        for process in self.processes:
            with self.subTest(process.name), self.connect(process) as one:
                one.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"y" * 8000 + b"\r\n\r\n")
                try:
                    self.assertEqual(one.recv(100), b"")
                except ConnectionResetError:
                    pass

    def test_when_redis_stands_still_both_say_so_and_recover(self):
        before = {p: scrape(p).of("reprise_redis_connections_lost_total") for p in self.processes}
        self.stack.redis_process.signal(signal.SIGSTOP)
        try:
            for process in self.processes:
                wait_for(f"{process.name} is not ready", lambda p=process: self.ready(p) == 503)
                status, _, text = admin_get(process, "/readyz")
                self.assertEqual(status, 503)
                self.assertRegex(text, r'^\{"status":"not_ready","reason":".+"\}$')
                self.assertEqual(admin_get(process, "/livez")[0], 200)
            wait_for("the API knows", lambda: scrape(self.stack.api).of("reprise_redis_up") == 0)
        finally:
            self.stack.redis_process.signal(signal.SIGCONT)
        for process in self.processes:
            wait_for(f"{process.name} is ready again", lambda p=process: self.ready(p) == 200)
            seen = scrape(process)
            self.assertGreater(seen.of("reprise_redis_connections_lost_total"), before[process])
            self.assertGreater(seen.of("reprise_redis_reconnects_total"), 0)
        wait_for("the API sees it", lambda: scrape(self.stack.api).of("reprise_redis_up") == 1)

    def test_an_address_that_is_not_to_be_had_is_said(self):
        port = self.stack.api.wait_log("admin_serving")["port"]
        for program, more in (("reprise-api", ["serve", "--listen", "127.0.0.1:0"]), ("reprise-worker", [])):
            for address in (f"127.0.0.1:{port}", "127.0.0.1", "nonsense:80"):
                with self.subTest(program, address=address):
                    done = subprocess.run([BIN / program, *more, "--admin-listen", address, *self.stack.common("api")[:4]],
                                          cwd=self.stack.dir, capture_output=True, text=True, timeout=20, check=False)
                    self.assertEqual(done.returncode, 78)
                    self.assertTrue(re.search("REPRISE_ADMIN_LISTEN|cannot_serve", done.stdout + done.stderr), done)


if __name__ == "__main__":
    unittest.main()
