"""Keys that are malformed, wrong, revoked, expired, short of a scope, or guessed by the thousand."""
import concurrent.futures
import time
import unittest
import zlib

from contract import check_error
from raw_http import Connection, request
from stack import wait_for
from unharmed import BadInputTest

AT_ONCE, PER_SECOND = 100, 10  # wrong keys of one address, after which it hears 429
GUESSES, CALLERS = 4000, 4


def guess(number):
    """Sound in form and checksum, and nobody's."""
    head = f"rp_{number:012d}_" + "0" * 32
    return head + f"{zlib.crc32(head.encode()):08x}"


class Keys(BadInputTest):
    def unauthorized(self, *fields):
        answer = self.refused(request("POST", self.path, *fields), 401, "unauthorized")
        self.assertTrue(answer.headers["WWW-Authenticate"].startswith("Bearer"))
        return answer.body

    def test_what_is_no_bearer_key_is_refused_in_one_way(self):
        key = self.key
        values = (f"Basic {key}", "Basic dXNlcjpwYXNz", "Bearer", "Bearer ", "Bearer a b", f"Bearer {key} {key}",
                  f"Bearer {key}, Bearer {key}",
                  f"Bearer {key};", f'Bearer "{key}"', f"Bearer\t{key}", f"Bearer={key}", key, "",
                  f"Bearer {key.upper()}", "Digest x",
                  f"Bearer {key[:-1]}", f"Bearer {key}0", "Bearer " + "x" * 8192, "Bearer *", "Bearer {p0}:*",
                  "Bearer rp__", "Negotiate x")
        bodies = {self.unauthorized(f"Authorization: {value}") for value in values}
        bodies.add(self.unauthorized())
        bodies.add(self.unauthorized("Authorization: Bearer é".encode()))
        bodies.add(self.unauthorized(f"Proxy-Authorization: Bearer {key}", f"X-Api-Key: {key}", f"Cookie: key={key}"))
        self.assertEqual(len(bodies), 1, bodies)

    def test_two_keys_are_none(self):
        mine = f"Authorization: Bearer {self.key}"
        for fields in ((mine, mine), (mine, "Authorization: Bearer x"), ("Authorization: Basic x", mine),
                       (mine, "authorization:")):
            answer = self.refused_and_closed(request("POST", self.path, *fields), 401)
            self.assertTrue(answer.headers["WWW-Authenticate"].startswith("Bearer"))

    def test_a_key_of_64_kb_is_too_long_for_a_header(self):
        self.refused_and_closed(request("POST", self.path, "Authorization: Bearer " + "x" * 65536), 401, 431)

    def test_a_key_that_is_nearly_right_is_as_wrong_as_any(self):
        head, secret = self.key[:16], self.key[16:48]
        other = "0" if secret[0] != "0" else "1"
        swapped = head + other + secret[1:]
        expired = self.stack.key("acme")
        self.stack.redis.call("HSET", f"reprise:key:{expired.split('_')[1]}", "expires", 1)
        revoked = self.stack.key("acme")
        self.stack.admin("keys", "revoke", revoked.split("_")[1])
        wrong = {"another checksum": self.key[:-1] + ("0" if self.key[-1] != "0" else "1"),
                 "another secret": swapped + f"{zlib.crc32(swapped.encode()):08x}", "expired": expired,
                 "revoked": revoked,
                 "nobody's": guess(1)}
        bodies = set()
        for name, key in wrong.items():
            with self.subTest(name):
                bodies.add(self.unauthorized(f"Authorization: Bearer {key}"))
        self.assertEqual(len(bodies), 1, bodies)

    def test_a_record_of_a_key_that_makes_no_sense_opens_nothing(self):
        for field, value, status, code in (("digest", "", 401, "unauthorized"),
                                           ("digest", "0" * 64, 401, "unauthorized"),
                                           ("scopes", "", 403, "insufficient_scope"),
                                           ("org", "", 404, "run_not_found")):
            with self.subTest(field=field, value=value):
                key = self.stack.key("acme")
                self.stack.redis.call("HSET", f"reprise:key:{key.split('_')[1]}", field, value)
                self.refused(request("POST", self.path, key=key), status, code)

    def test_a_key_without_the_scope_does_nothing(self):
        reader = self.stack.key("acme", "runs:read")
        for path in (self.path, f"/api/runs/{self.run_id}/cancel", "/api/reports/start"):
            self.refused(request("POST", path, key=reader, body=b'{"openapiText":"x"}'), 403, "insufficient_scope")
        writer = self.stack.key("acme", "runs:write")
        for path in (f"/api/runs/{self.run_id}", "/api/runs", "/api/projects", "/api/dead",
                     f"/api/runs/{self.run_id}/events",
                     f"/api/artifacts/download?runId={self.run_id}&key=input.openapi"):
            self.refused(request("GET", path, key=writer), 403, "insufficient_scope")

    def guess_from(self, source, numbers):
        """The statuses that an address hears which asks with one wrong key after the other."""
        heard = []
        with Connection(self.port, source=source) as connection:
            for number in numbers:
                connection.send(request("GET", "/api/runs", key=guess(number)))
                answer = connection.answer()
                heard.append(answer.status)
                if answer.status == 429:
                    check_error(answer, 429, "rate_limited")
                    self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
                else:
                    check_error(answer, 401, "unauthorized")
        return heard

    def test_who_guesses_keys_is_slowed_down_and_costs_redis_nothing(self):
        def guess_many():
            with concurrent.futures.ThreadPoolExecutor(CALLERS) as pool:
                for part in pool.map(lambda n: self.guess_from("127.0.0.66", range(n, n + GUESSES // CALLERS)),
                                     range(0, 40_000, 10_000)):
                    heard.extend(part)
        heard, began = [], time.monotonic()
        looked_up = [line for line in self.commands_during(guess_many) if '"reprise:key:' in line]
        allowed = AT_ONCE + PER_SECOND * (time.monotonic() - began + 1)
        self.assertEqual((len(heard), heard.count(401) + heard.count(429)), (GUESSES, GUESSES))
        self.assertLessEqual(heard.count(401), allowed)
        # Each of the callers may be asking for its key when the next one is let in.
        self.assertLessEqual(len(looked_up), AT_ONCE + CALLERS * (allowed - AT_ONCE))
        self.assertEqual(self.client.get("/api/runs").status, 200, "who comes from elsewhere is not slowed down")

    def test_who_guessed_keys_is_heard_again_soon(self):
        source = "127.0.0.67"
        self.assertIn(429, self.guess_from(source, range(20_000, 20_200)))
        with Connection(self.port, source=source) as connection:
            def let_in():
                connection.send(request("GET", "/api/runs", key=self.key))
                return connection.answer().status == 200
            wait_for("a right key is let in", let_in, 5, 0.2)


if __name__ == "__main__":
    unittest.main()
