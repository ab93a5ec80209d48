"""The users of Redis: what each may do is what its program needs, no less (every other test shows it) and no more; and the
monitor reads what is documented, and nothing else."""
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from contract import check_accepted
from pipelines import BUILT_IN_ONLY, DOCUMENT
from resp import Redis, RedisError, pairs
from sources import Functions, given_by
from stack import BIN, P0, USERS, FreshStackTest, StackTest, wait_for

# Who calls which functions. A call that is missing here is denied in some other test; so is one that its user cannot make.
CALLS = {
    "api": "accept forecast cancel sweep pin drop_if_due ready init pause resume act bulk_start bulk_stop bulk_take bulk_done",
    "worker": "claim beat held advance sweep leave keep init",
    "admin": "act org_set project_archive init examine examine_index examine_pending endings recount"}
ADMIN = ("api/admin.cpp", "api/doctor.cpp")
SOURCES = {
    "api": ("api/**/*.cpp", "common/queue/*.cpp", "common/redis/*.cpp"),
    "worker": ("worker/**/*.cpp", "common/redis/*.cpp"),
    "admin": (*ADMIN, "common/redis/link_connecting.cpp")}
CALLING = {"fcall", "fcall_ro", "function|load"}      # what every program does to call functions
IN_COMMON = {"worker": {"zadd"}}                      # that it uses its library: function_library.cpp, mark_in_use
NOT_GIVEN = {"auth"}                                  # needs no right


def rules():
    """ACL file of `reprise-api acl`: user -> its rules."""
    with tempfile.TemporaryDirectory() as passwords:
        lines = subprocess.run([BIN / "reprise-api", "acl", "--make", "--passwords", passwords], capture_output=True, text=True,
                               check=True, timeout=30).stdout.splitlines()
    return {line.split()[1]: line.split(" ", 3)[3] if line.count(" ") > 2 else line.split()[2] for line in lines}


def granted(rules_of_user):
    return set(re.findall(r"\+([a-z_|]+)", rules_of_user))


def connected(sock, child):
    assert child.poll() is None, "it ended"
    try:
        return Redis(sock)
    except OSError:
        return None


class Rules(unittest.TestCase):
    maxDiff = None

    def test_each_user_may_give_the_commands_of_its_program_and_no_others(self):
        functions, all_rules = Functions(), rules()
        known = set(self.commands_of_redis())
        for program, calls in CALLS.items():
            needed = functions.commands(calls.split()) | given_by(known, SOURCES[program], ADMIN if program == "api" else ()) | CALLING | IN_COMMON.get(program, set())
            self.assertEqual(granted(all_rules[USERS[program]]), needed - NOT_GIVEN, program)

    @staticmethod
    def commands_of_redis():
        """Without what is the name of an error, too."""
        with tempfile.TemporaryDirectory(dir="/tmp") as directory:
            child = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", directory + "/s", "--save", ""], cwd=directory,
                                     stdout=subprocess.DEVNULL)
            try:
                redis = wait_for("Redis listens", lambda: connected(directory + "/s", child))
                yield from set(redis.call("COMMAND", "LIST")) - {"readonly"}
                redis.close()
            finally:
                child.kill()
                child.wait()

    def test_every_function_is_called_by_somebody(self):
        self.assertEqual(set(" ".join(CALLS.values()).split()), set(Functions().callbacks))

    def test_passwords_are_only_shown_as_digests_and_are_not_made_anew(self):
        with tempfile.TemporaryDirectory() as directory:
            made = pathlib.Path(directory)

            def printed(*more):
                return subprocess.run([BIN / "reprise-api", "acl", "--passwords", directory, *more], capture_output=True, text=True,
                                      check=False, timeout=30)
            self.assertEqual(printed().returncode, 78)
            first = printed("--make")
            self.assertEqual(first.returncode, 0, first)
            self.assertEqual(printed().stdout, first.stdout)
            self.assertTrue(first.stdout.startswith("user default off\n"))
            for user in USERS.values():
                password = (made / user).read_text().strip()
                self.assertGreaterEqual(len(password), 32)
                self.assertNotIn(password, first.stdout)
                self.assertEqual((made / user).stat().st_mode & 0o777, 0o600)
            (made / "default").write_text("operator\n")
            (made / "default").chmod(0o600)
            self.assertRegex(printed().stdout, r"^user default on #[0-9a-f]{64} ~\* &\* \+@all\n")
            (made / USERS["api"]).chmod(0o644)
            self.assertIn("everyone can read", printed().stderr)
            (made / USERS["api"]).chmod(0o600)
            (made / USERS["api"]).write_text("\n")
            self.assertIn("is empty", printed().stderr)

    def test_every_server_on_this_machine_takes_the_file(self):
        """Redis, and Valkey where there is one."""
        servers = [server for server in map(shutil.which, ("redis-server", "valkey-server")) if server]
        self.assertTrue(servers)
        text = "".join(f"user {user} {'' if rule in ('on', 'off') else 'on nopass '}{rule}\n" for user, rule in rules().items())
        for server in servers:
            with self.subTest(server=server), tempfile.TemporaryDirectory(dir="/tmp") as directory:
                file, sock = pathlib.Path(directory) / "users.acl", directory + "/s"
                file.write_text(text.replace("user default off", "user default on nopass ~* &* +@all"))
                child = subprocess.Popen([server, "--port", "0", "--unixsocket", sock, "--dir", directory, "--save", "", "--aclfile",
                                          str(file)], stdout=subprocess.DEVNULL)
                try:
                    redis = wait_for(f"{server} listens", lambda: connected(sock, child))
                    self.assertEqual(set(redis.call("ACL", "USERS")), {"default", *USERS.values()})
                    redis.close()
                finally:
                    child.kill()
                    child.wait()


class Monitor(StackTest):
    options = {"pipelines": BUILT_IN_ONLY, "workers": 1}

    @classmethod
    def prepare(cls):
        cls.stack.denies = True
        cls.client = cls.stack.client()
        cls.run_id = check_accepted(cls.client.start(DOCUMENT), of_retry=False)["run"]["id"]
        cls.stack.wait_status(cls.run_id)
        password = (cls.stack.dir / "users" / USERS["monitor"]).read_text().strip()
        cls.redis = Redis(cls.stack.socket, USERS["monitor"], password)
        cls.addClassCleanup(cls.redis.close)

    def is_denied(self, *words):
        with self.assertRaisesRegex(RedisError, "NOPERM", msg=words):
            self.redis.call(*words)

    def test_it_may_give_no_command_that_writes_runs_a_program_or_looks_at_everything(self):
        may = self.allowed()
        self.assertIn("hgetall", may)
        for category in ("write", "scripting", "dangerous", "blocking", "pubsub", "transaction"):
            found = {name for name in self.stack.redis.call("ACL", "CAT", category) if name in may}
            self.assertEqual(found - {"info", "latency|latest", "slowlog|len"}, set(), category)

    def allowed(self):
        user = self.stack.redis.call("ACL", "GETUSER", USERS["monitor"])
        return granted(dict(zip(user[::2], user[1::2]))["commands"])

    def test_it_can_neither_write_nor_call_functions(self):
        library = next(name for name in self.stack.redis.call("FUNCTION", "LIST")[0] if str(name).startswith("reprise_"))
        prefix = library.replace("reprise_", "r", 1) + "_"
        for words in (("HSET", P0 + "stats", "queued", "0"), ("DEL", P0 + "run:" + self.run_id), ("XADD", P0 + "events", "*", "a", "b"),
                      ("FCALL", prefix + "cancel", "1", P0), ("FCALL_RO", prefix + "held", "1", P0), ("EVAL", "return 1", "0"),
                      ("KEYS", "*"), ("SCAN", "0"), ("FLUSHALL",), ("CONFIG", "GET", "*"), ("CLIENT", "LIST"), ("MONITOR",),
                      ("SLOWLOG", "GET"), ("ACL", "LIST"), ("SHUTDOWN",), ("GET", "reprise:worker:x:order"),
                      ("XREADGROUP", "GROUP", "workers", "me", "STREAMS", P0 + "queue:default", ">")):
            self.is_denied(*words)

    def test_secrets_are_not_shown_to_it(self):
        key = self.stack.redis.call("ZRANGE", "reprise:keys", 0, 0)[0]
        self.assertTrue(self.stack.redis.hash(f"reprise:key:{key}")["digest"])
        self.is_denied("HGETALL", f"reprise:key:{key}")
        self.is_denied("HGET", f"reprise:key:{key}", "org")
        self.is_denied("ZRANGE", "reprise:keys", "0", "-1")
        self.is_denied("TYPE", P0 + "idem:x")
        self.is_denied("ZCARD", P0 + "pinned")
        self.is_denied("HGETALL", "another:program")

    def test_no_key_that_it_may_read_holds_an_input_document(self):
        marker = '"paths": {}}'
        self.assertIn(marker, DOCUMENT)
        for key in self.stack.redis.call("KEYS", "*"):
            self.assertNotIn(marker.encode(), self.stack.redis.call("DUMP", key, text=False) or b"", key)


class CallersRights(FreshStackTest):
    """A function is no way around the rights of who calls it."""
    options = {"pipelines": BUILT_IN_ONLY, "workers": 0}

    def test_what_is_inside_a_function_needs_the_callers_rights_too(self):
        self.stack.denies = True
        [library] = [pairs(found)["library_name"] for found in self.stack.redis.call("FUNCTION", "LIST")]
        ready = library.replace("reprise_", "r", 1) + "_ready"  # which sets a key
        self.stack.redis.call("ACL", "SETUSER", "another", "on", "nopass", f"~{P0}*", "+fcall", "+time")
        caller = Redis(self.stack.socket, "another", "any")
        self.addCleanup(caller.close)
        with self.assertRaisesRegex(RedisError, "can't run this command"):
            caller.call("FCALL", ready, "1", P0)
        denial = pairs(self.stack.redis.call("ACL", "LOG")[0])
        self.assertEqual((denial["username"], denial["object"], denial["context"]), ("another", "set", "lua"))
        self.stack.redis.call("ACL", "SETUSER", "another", "+set")
        self.assertEqual(caller.call("FCALL", ready, "1", P0)[0], "ok")

    def test_a_denial_fails_the_test_in_whose_stack_it_happens(self):
        self.stack.redis.call("ACL", "SETUSER", USERS["api"], "-zcount")
        wait_for("the API is denied something", lambda: self.stack.denied())
        self.assertIn("zcount", "".join(self.stack.denied()))
        self.stack.denies = True


if __name__ == "__main__":
    unittest.main()
