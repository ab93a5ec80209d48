"""Request targets and methods: nothing is decoded, normalised or guessed, and nothing odd reaches Redis or a path."""
import unittest

from contract import check_error
from raw_http import Connection, request
from retrying import another_id
from unharmed import BadInputTest

NO_RUN = ("..", ".", "%2e%2e%2f", "%2F", "%00", "%zz", "%", "a%0d%0aX:1", "*", "{x}", "reprise:{p0}:*", "~", "-1",
          "0", "null",
          "%25", "%252e%252e", "'", "`id`", "a:b@c", "run_", "run_" + "0" * 28, "run_" + "u" * 28, "x" * 1000,
          "%F0%9F%9A%B2")
EVIL = "evil.example"
OPTIONS_OF_RETRY = "POST, GET, HEAD, OPTIONS"


class Targets(BadInputTest):
    def post(self, target, *fields, **more):
        return request("POST", target, *fields, key=self.key, **more)

    def test_an_id_that_is_none_is_no_run_and_is_asked_of_nobody(self):
        def ask_all():
            for name in NO_RUN:
                for data in (self.post(f"/api/runs/{name}/retry"), self.get(f"/api/runs/{name}"),
                             self.post(f"/api/runs/{name}/cancel"),
                             self.get(f"/api/runs/{name}/events"), self.get(f"/api/runs/{name}/retry"),
                             self.get(f"/api/runs/{name}", 'If-None-Match: "1"'),
                             self.get(f"/api/runs/{name}", "Prefer: wait=1")):
                    with self.subTest(name=name[:20], data=data[:60]):
                        self.refused(data, 404, "run_not_found")
        names = [f"run:{name}".encode("unicode_escape").decode() for name in NO_RUN if "run_0" not in name]
        for command in self.commands_during(ask_all):
            self.assertFalse([name for name in names if f"{name}\"" in command], command)

    def test_an_id_that_is_missing_or_endless_is_refused(self):
        self.refused(self.post("/api/runs//retry"), 404, "not_found")
        self.refused_and_closed(self.post(f"/api/runs/{'x' * 10_240}/retry"), 414)
        for target in ("/api/runs/é/retry".encode(), b"/api/runs/\xff\xfe/retry", b"/api/runs/\0/retry",
                       b"/api/runs/\t/retry"):
            self.refused_and_closed(self.post(target), 400)

    def test_a_run_has_one_spelling(self):
        run = self.run_id
        for target in (self.path.replace(run, run.upper()), self.path.replace("run_", "Run_"),
                       f"/api/runs/{run};v=1/retry",
                       f"/api/runs/{run}%20/retry", f"/api/runs/%72{run[1:]}/retry", f"/api/runs/{run}./retry"):
            self.refused(self.post(target), 404, "run_not_found")
        for target in (self.path + "/", "/" + self.path, self.path.replace("/retry", "//retry"), self.path + ";v=1",
                       "/API" + self.path[4:],
                       f"/api/./runs/{run}/retry", f"/api/runs/../runs/{run}/retry", self.path + "/..",
                       self.path[:-1] + "%79"):
            self.refused(self.post(target), 404, "not_found")

    def test_an_unknown_run_and_another_organisations_are_the_same_to_a_stranger(self):
        stranger = self.stack.client("stranger").key
        for path in ("", "/retry", "/cancel", "/events"):
            method = "POST" if path in ("/retry", "/cancel") else "GET"
            answers = [self.refused(request(method, f"/api/runs/{run}{path}", key=stranger), 404, "run_not_found")
                       for run in (self.run_id, another_id(self.run_id), "none")]
            self.assertEqual(len({a.body for a in answers}), 1)
            self.assertEqual(len({tuple(a.headers) for a in answers}), 1)

    def test_an_unknown_run_and_another_organisations_cost_the_same_calls_of_redis(self):
        client = self.stack.client("stranger")
        commands = []
        for run in (self.run_id, another_id(self.run_id)):
            client.get("/livez")
            seen = self.commands_during(lambda run=run: check_error(client.post(f"/api/runs/{run}/retry"), 404,
                                                                    "run_not_found"))
            commands.append([line.split('"')[1] for line in seen if run in line])
        self.assertEqual(*commands)
        self.assertTrue(commands[0])

    def test_a_target_that_is_no_path_is_refused(self):
        for target in (f"http://{EVIL}{self.path}", f"http://x{self.path}", f"https://{EVIL}/", f"{EVIL}:80", "*",
                       self.path + "#a",
                       "#", "?", self.path[1:], self.path.replace("/", "\\"), "\\\\evil\\share", self.path + " x"):
            with self.subTest(target=target):
                self.refused_and_closed(self.post(target), 400)
        self.refused_and_closed(b"POST  HTTP/1.1\r\nHost: x\r\n\r\n", 400)

    def test_a_query_is_ignored_where_none_is_known(self):
        for query in ("?a=1&b", "?", "?&&=&", "?a=1;b=2", "?%00=%00", "?reason=x&runId=y", "?" + "a=b&" * 480):
            self.accepted(self.post(self.path + query))
        for query in ("?a=%zz", "?%", "?a=%f"):
            self.refused(self.post(self.path + query), 400, "invalid_parameter")
        self.refused_and_closed(self.post(self.path + "?" + "a" * 8192), 414)

    def test_a_key_in_the_query_is_no_key(self):
        self.refused(request("POST", f"{self.path}?access_token={self.key}"), 401, "unauthorized")
        self.assertNotIn(self.key, self.stack.api.log_text())

    def test_a_key_in_the_query_is_refused_beside_a_good_one(self):
        """Or it would go on standing in the logs of everything on the way."""
        self.refused(self.post(f"{self.path}?access_token={self.key}"), 400, "invalid_parameter")

    def test_other_methods_are_told_which_there_are(self):
        for method in ("PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "FOO", "post", "Post", "A" * 1024):
            with self.subTest(method=method[:20]):
                answer = self.refused(request(method, self.path, key=self.key), 405, "method_not_allowed")
                self.assertEqual(answer.headers["Allow"], OPTIONS_OF_RETRY)
                self.assertNotIn(b"Authorization", answer.body, "echoed")
        for method in ("G@T", "", "GET\t", "(", "A" * 20_000, "P\0ST"):
            self.refused_and_closed(request(method, self.path, key=self.key), 400, 431, 501)
        for target in (f"{EVIL}:443", self.path):
            answer = self.ask(request("CONNECT", target, key=self.key, host=EVIL))
            self.assertIn(answer.status, (400, 405))

    def test_a_method_is_no_way_around_the_key(self):
        for method in ("GET", "HEAD", "POST"):
            answer = self.ask(request(method, self.path), of_head=method == "HEAD")
            self.assertEqual((answer.status, answer.headers["WWW-Authenticate"]), (401, 'Bearer realm="reprise"'))
        override = request("PUT", self.path, "X-HTTP-Method-Override: POST", "X-HTTP-Method: POST", key=self.key)
        self.refused(override, 405, "method_not_allowed")

    def test_a_foreign_page_gets_no_leave(self):
        for method in ("OPTIONS", "POST", "GET"):
            for origin in ("https://evil.example", "null", "*", "http://127.0.0.1"):
                answer = self.ask(request(method, self.path, f"Origin: {origin}",
                                          "Access-Control-Request-Method: POST",
                                          "Access-Control-Request-Headers: authorization",
                                          key=None if method == "OPTIONS" else self.key))
                self.assertEqual([name for name in answer.headers if name.startswith("access-control-")], [])
                if method == "OPTIONS":
                    self.assertEqual((answer.status, answer.headers["Allow"]), (204, OPTIONS_OF_RETRY))

    def test_a_request_has_one_host(self):
        self.refused_and_closed(request("GET", "/livez", host=None), 400)
        for second in ("x", "y", ""):
            self.refused_and_closed(request("GET", "/livez", f"Host: {second}"), 400)
        self.assertEqual(self.ask(request("GET", "/livez", host=None, version="HTTP/1.0")).status, 200)

    def test_a_host_that_is_none_is_refused(self):
        for host in ("x/y", "a@b", "a b", "a, b", "a,b", '"><script>', "x:99999999", "x:y", "[::1", "x?y", "x#y",
                     "http://x", "\\x"):
            with self.subTest(host=host):
                self.refused_and_closed(request("GET", "/livez", host=host), 400)

    def test_hosts_of_every_sound_kind_are_served(self):
        for host in ("x", "127.0.0.1", "127.0.0.1:8080", "[::1]:8080", "a-b.example", "a_b.example:1",
                     "xn--bcher-kva.example", ""):
            self.assertEqual(self.ask(request("GET", "/livez", host=host)).status, 200, host)

    def test_a_connection_goes_on_after_a_path_that_is_not_there(self):
        with Connection(self.port) as connection:
            connection.send(self.get("/nowhere") * 3 + self.get("/livez"))
            self.assertEqual([connection.answer().status for _ in range(4)], [404, 404, 404, 200])


if __name__ == "__main__":
    unittest.main()
