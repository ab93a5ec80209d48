"""API keys over their life: made, rotated, expired, revoked; a leaked one can be told from noise and traced to its record."""
import json
import re
import unittest
import zlib

from client import Api
from contract import check_error
from pipelines import BUILT_IN_ONLY
from stack import StackTest, wait_for
from watching import another_api

SECONDS_TO_FORGET = 4  # a process remembers a key for 2 s


class Keys(StackTest):
    options = {"pipelines": BUILT_IN_ONLY, "workers": 0}

    def setUp(self):
        self.key = self.stack.key(self._testMethodName[-20:])
        self.id = self.key.split("_")[1]

    def works(self, key):
        answer = self.stack_api().get("/api/runs", key=key)
        if answer.status != 200:
            check_error(answer, 401, "unauthorized")
        return answer.status == 200

    def stack_api(self):
        if not hasattr(self, "api"):
            self.api = self.stack.client()
        return self.api

    def listed(self, key_id):
        lines = map(json.loads, self.stack.admin("keys", "list", "--json").splitlines())
        return next(line for line in lines if line["keyId"] == key_id)

    def test_a_rotated_key_works_beside_the_new_one_until_its_grace_is_over(self):
        new = self.stack.admin("keys", "rotate", self.id)
        self.assertTrue(self.works(self.key) and self.works(new))
        old, young = self.listed(self.id), self.listed(new.split("_")[1])
        self.assertEqual([young[f] for f in ("org", "user", "scopes", "expires")], [old["org"], old["user"], old["scopes"], "never"])
        self.assertNotEqual(old["expires"], "never")

    def test_a_key_rotated_without_grace_ends_at_once(self):
        self.assertTrue(self.works(self.key))
        new = self.stack.admin("keys", "rotate", self.id, "--grace-hours", "0")
        wait_for("the old key is refused", lambda: not self.works(self.key), SECONDS_TO_FORGET)
        self.assertTrue(self.works(new))
        with self.assertRaisesRegex(AssertionError, "there is no key"):
            self.stack.admin("keys", "rotate", self.id)

    def test_a_key_is_revoked_on_every_api_process_and_thread(self):
        other = another_api(self, "api-other", "--threads", 4)
        apis = [Api(port, self.key) for port in (self.stack.port, other.port) for _ in range(8)]
        self.assertEqual({api.get("/api/runs").status for api in apis}, {200})
        self.stack.admin("keys", "revoke", self.id)
        wait_for("all refuse it", lambda: {api.get("/api/runs").status for api in apis} == {401}, SECONDS_TO_FORGET)

    def test_a_revoked_key_is_refused_within_seconds_and_cannot_be_rotated(self):
        self.assertTrue(self.works(self.key))
        self.stack.admin("keys", "revoke", self.id)
        wait_for("the key is refused", lambda: not self.works(self.key), SECONDS_TO_FORGET)
        self.assertEqual(self.listed(self.id)["expires"], "revoked")
        with self.assertRaisesRegex(AssertionError, "there is no key"):
            self.stack.admin("keys", "rotate", self.id)

    def test_a_key_in_a_text_is_told_from_noise_without_asking_anyone(self):
        text = f"curl -H 'Authorization: Bearer {self.key}' rp_0123456789ab_{'0' * 40}"
        found = re.findall(r"rp_[0-9a-hjkmnp-tv-z]{12}_[0-9a-hjkmnp-tv-z]{32}[0-9a-f]{8}", text)
        self.assertEqual(len(found), 2)
        self.assertEqual([self.checksum_holds(key) for key in found], [True, False])
        self.assertNotIn(self.key.split("_")[2], self.stack.admin("keys", "list"))

    @staticmethod
    def checksum_holds(key):
        return f"{zlib.crc32(key[:-8].encode()):08x}" == key[-8:]


if __name__ == "__main__":
    unittest.main()
