"""Settings that make no sense: each program ends at once with 78 (EX_CONFIG) and says which setting it was."""
import contextlib
import subprocess
import unittest

from client import Api
from stack import BIN, StackTest

EX_CONFIG = 78
BAD = {  # flag: (values, the setting's name)
    "--listen": (("127.0.0.1:70000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:-1", "127.0.0.1:80x", "nowhere:1", ":",
                  "1.2.3:0"), "REPRISE_LISTEN"),
    "--redis-url": (("http://x", "redis://", "redis://h:70000", "redis://h:0x", "unix://relative", "x", ""),
                    "REPRISE_REDIS_URL"),
    "--blobs": (("/tmp", "s3://bucket", "file://relative", "", "file:/x"), "REPRISE_BLOBS"),
    "--threads": (("0", "65"), "REPRISE_THREADS"), "--max-connections": (("0",), "REPRISE_MAX_CONNECTIONS"),
    "--max-per-address": (("0",), "REPRISE_MAX_PER_ADDRESS"), "--partitions": (("0", "1025"), "REPRISE_PARTITIONS"),
    "--lease": (("0", "-1", "99999999"), "REPRISE_LEASE"), "--sweep": (("0", "-5"), "REPRISE_SWEEP"),
    "--redis-timeout": (("0", "-1"), "REPRISE_REDIS_TIMEOUT"), "--durability": (("maybe", ""), "REPRISE_DURABILITY"),
    "--document-limit": (("0", "16777217"), "REPRISE_DOCUMENT_LIMIT"), "--queue-ttl": (("0", "-1"), "REPRISE_QUEUE_TTL"), "--retention": (("0",), "REPRISE_RETENTION"),
    "--redis-password-file": (("/nonexistent", "/"), "REPRISE_REDIS_PASSWORD_FILE")}
NOT_EVEN_A_VALUE = {"--threads": "many", "--rate": "-5", "--lease": "1e3", "--max-connections": "-1",
                    "--drain": "soon",
                    "--redis-timeout": "99999999999999"}


class Settings(StackTest):
    options = {"workers": 0}

    def outcome(self, *words, program="reprise-api", **environment):
        """Exit status and what was said; it must end by itself, and soon."""
        done = subprocess.run([BIN / program, *words], capture_output=True, text=True, timeout=10, check=False,
                              env={"PATH": "/usr/bin:/bin", **environment})
        return done.returncode, done.stdout + done.stderr

    def serve(self, flag=None, value=None, **environment):
        """`serve` with sound settings, but for one, which has this value or is left to the environment."""
        sound = dict(zip(*[iter(["--listen", "127.0.0.1:0", *self.stack.common("api")])] * 2))
        if flag:
            sound.pop(flag, None)
        if value is not None:
            sound[flag] = value
        return self.outcome("serve", *[word for pair in sound.items() for word in pair], **environment)

    def is_refused(self, outcome, name):
        status, said = outcome
        self.assertEqual(status, EX_CONFIG, said)
        self.assertIn(name, said)

    def test_a_value_that_makes_no_sense_is_refused_by_name(self):
        for flag, (values, name) in BAD.items():
            for value in values:
                with self.subTest(flag=flag, value=value):
                    self.is_refused(self.serve(flag, value), name)
        with self.subTest("the log level"):
            self.is_refused(self.serve("--log", "loud"), "log level")

    def test_the_same_from_the_environment(self):
        for flag, (values, name) in BAD.items():
            if flag not in ("--listen", "--redis-url", "--blobs") and values[0]:
                with self.subTest(name):
                    self.is_refused(self.serve(flag, **{name: values[0]}), name)

    def test_a_value_of_the_wrong_kind_is_refused_by_name(self):
        for flag, value in NOT_EVEN_A_VALUE.items():
            with self.subTest(flag=flag, value=value):
                self.is_refused(self.serve(flag, value), flag[2:])

    def test_a_setting_that_is_none_or_there_twice_is_refused(self):
        redis = self.stack.common("api")
        for words in (("--no-such-setting", "1"), ("extra",), ("--listen",), ("--threads", "1", "--threads", "2")):
            with self.subTest(words=words):
                self.is_refused(self.outcome("serve", *redis, *words), words[0])

    def test_the_worker_refuses_in_the_same_way(self):
        for flag, value, name in (("--concurrency", "0", "REPRISE_CONCURRENCY"),
                                  ("--pipelines", "/nonexistent", "REPRISE_PIPELINES"),
                                  ("--lease", "-1", "REPRISE_LEASE")):
            with self.subTest(flag=flag):
                self.is_refused(self.outcome(*self.stack.common("worker"), flag, value, program="reprise-worker"),
                                name)

    def test_a_flag_counts_more_than_the_environment(self):
        argv = [BIN / "reprise-api", "serve", "--listen", "127.0.0.1:0", *self.stack.common("api")]
        name = "api-of-flags"
        with contextlib.ExitStack() as ended:
            api = self.stack.launch(name, ["/usr/bin/env", "REPRISE_LISTEN=nonsense", "REPRISE_REDIS_URL=nonsense",
                                           *argv])
            ended.callback(api.kill)
            port = int(api.wait_log("serving")["port"])
            self.assertEqual(Api(port).get("/livez").status, 200)
            self.assertEqual(api.stop(), 0)

    def test_a_port_that_is_taken_is_said(self):
        status, said = self.serve("--listen", f"127.0.0.1:{self.stack.port}")
        self.assertEqual(status, EX_CONFIG, said)
        self.assertIn("in use", said)

    def test_a_password_is_never_told(self):
        file = self.stack.dir / "side/password"
        file.write_text("top-secret-word\n")
        file.chmod(0o600)
        for url in ("redis://user:top-secret-word@h:70000", "redis://user:top-secret-word@",
                    "rediss://user:top-secret-word@h"):
            status, said = self.serve("--redis-url", url)
            self.assertEqual(status, EX_CONFIG)
            self.assertNotIn("top-secret-word", said)
        _, said = self.serve("--redis-password-file", str(file), REPRISE_THREADS="0")
        self.assertNotIn("top-secret-word", said)

    def test_a_password_that_everyone_can_read_is_refused(self):
        file = self.stack.dir / "side/open-password"
        file.write_text("x\n")
        file.chmod(0o644)
        # The other mistake keeps it from serving in any case; the password is looked at first.
        self.is_refused(self.serve("--redis-password-file", str(file), REPRISE_THREADS="0"),
                        "REPRISE_REDIS_PASSWORD_FILE")


if __name__ == "__main__":
    unittest.main()
