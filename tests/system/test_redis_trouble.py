"""What the API and the workers do while Redis restarts, loads, only reads, is full, silent or frozen: they refuse or
hold in bounded time, and come back by themselves."""
import os
import re
import signal
import time
import unittest

from client import Api
from resp import RedisError
from stack import BIN, USERS, wait_for
from troubled import BACK, ProxiedStack, TroubleTest


class Restarted(TroubleTest):
    def test_a_redis_that_is_restarted_is_found_again(self):
        run = self.start_long()
        with self.trouble():
            self.assertEqual(self.stack.redis_process.stop(), 0)
            self.refuses_to_start()
            self.not_ready()
            self.redis_is_back()
            self.comes_back([run])
        self.undisturbed(run)

    def slow_start(self, seconds):
        """Redis again, which says LOADING for so long: it sleeps at each key of its snapshot."""
        for n in range(50):
            self.stack.redis.call("SET", f"other:{n}", os.urandom(1500))
        self.stack.redis.call("BGREWRITEAOF")  # only a snapshot is loaded key by key
        wait_for("the snapshot is made", lambda: "aof_rewrite_in_progress:0" in self.persistence())
        self.assertEqual(self.stack.redis_process.stop(), 0)
        pause = int(seconds / 50 * 1e6)  # microseconds
        self.launch_redis("--key-load-delay", pause, "--loading-process-events-interval-bytes", 1024)
        self.is_loading()

    def is_loading(self):
        with self.assertRaisesRegex(RedisError, "LOADING"):
            self.stack.redis.call("PING")

    def test_while_redis_loads_calls_are_refused_and_runs_wait(self):
        run = self.start_long()
        with self.trouble():
            self.slow_start(3)
            self.refuses_to_start()
            self.not_ready()
            self.is_loading()
            wait_for("Redis has loaded", self.loaded)
            self.heal()
            self.stack.redis.call("CONFIG", "SET", "key-load-delay", 0)
            self.comes_back([run])
        self.undisturbed(run)


class OnlyRead(TroubleTest):
    """Troubles in which Redis answers, and refuses to write."""

    def only_reads(self, run, word):
        with self.assertRaisesRegex(RedisError, word):
            self.stack.redis.call("SET", "other", 1)
        for _ in range(5):
            self.refuses_to_start(within=1)
        self.assertIn(word, self.not_ready(within=1))
        self.assertEqual(self.stack.run_hash(run)["status"], "running")

    def reads_work(self, run):
        for path in (f"/api/runs/{run}", "/api/runs", "/api/projects"):
            self.assertEqual(self.client.get(path).status, 200, path)

    def test_a_redis_that_became_a_replica_takes_nothing_until_it_is_a_master_again(self):
        run = self.start_long()
        with self.trouble():
            self.stack.redis.call("REPLICAOF", "127.0.0.1", 1)
            self.only_reads(run, "READONLY")
            self.stack.redis.call("REPLICAOF", "NO", "ONE")
            self.heal()
            self.comes_back([run])

    def test_a_redis_without_its_replicas_is_read_and_not_written(self):
        run = self.start_long()
        with self.trouble():
            self.stack.redis.call("CONFIG", "SET", "min-replicas-to-write", 1)
            self.only_reads(run, "NOREPLICAS")
            self.reads_work(run)
            self.stack.redis.call("CONFIG", "SET", "min-replicas-to-write", 0)
            self.heal()
            self.comes_back([run])
        self.undisturbed(run)

    def test_a_step_that_ends_while_redis_does_not_write_is_recorded_as_soon_as_it_does(self):
        run = self.start_long()
        with self.trouble():
            self.stack.redis.call("CONFIG", "SET", "min-replicas-to-write", 1)
            self.go()
            wait_for("the step has ended", lambda: not self.stack.step_processes(), 5)
            time.sleep(1)  # nothing happens: the worker tries to record it, and cannot
            self.assertEqual(self.stack.run_hash(run)["status"], "running")
            self.stack.redis.call("CONFIG", "SET", "min-replicas-to-write", 0)
            self.heal()
            self.comes_back([run])
        self.undisturbed(run)

    def save(self, status):
        self.stack.redis.call("BGSAVE")
        wait_for("saved", lambda: "rdb_bgsave_in_progress:0" in self.persistence())
        self.assertIn("rdb_last_bgsave_status:" + status, self.persistence())

    def test_a_redis_that_cannot_save_is_read_and_not_written(self):
        run = self.start_long()
        with self.trouble():
            in_the_way = self.stack.dir / "redis/dump.rdb"
            in_the_way.mkdir()
            self.stack.redis.call("CONFIG", "SET", "save", "3600 1000000")
            self.save("err")
            self.only_reads(run, "MISCONF")
            self.reads_work(run)
            in_the_way.rmdir()
            self.save("ok")
            self.heal()
            self.comes_back([run])
        self.undisturbed(run)


class Full(TroubleTest):
    lease = 2.0

    def test_a_redis_out_of_memory_takes_nothing_new_and_lets_what_runs_go_on_and_end(self):
        run = self.start_long()
        waiting = [self.start_long(), self.start()]  # one in the other slot, and one queued
        with self.trouble():
            self.stack.redis.call("CONFIG", "SET", "maxmemory", "1mb")
            for _ in range(5):
                self.refuses_to_start(within=1)
            self.assertIn("OOM", self.not_ready(within=1))
            for path in (f"/api/runs/{run}", "/api/runs", "/api/projects"):
                self.assertEqual(self.client.get(path).status, 200, path)
            time.sleep(self.lease + 1)  # nothing happens: a lease is extended without memory
            for one in (run, waiting[0]):
                self.assertEqual(self.stack.run_hash(one)["epoch"], "1", "the lease was not extended")
            self.go()
            for one in (run, waiting[0]):
                self.stack.wait_status(one, "complete", seconds=BACK)
            self.assertEqual(self.stack.run_hash(waiting[1])["status"], "queued")
            self.stack.redis.call("CONFIG", "SET", "maxmemory", 0)
            self.heal()
            self.comes_back(waiting)
        self.undisturbed(run)


class Flushed(TroubleTest):
    def test_functions_that_are_flushed_in_the_middle_of_work_are_loaded_again(self):
        run = self.start_long()
        with self.trouble():
            for _ in range(10):
                self.stack.redis.call("FUNCTION", "FLUSH")
                self.start()
            self.stack.redis.call("FUNCTION", "FLUSH")
            self.heal()
            self.comes_back([run])
        self.undisturbed(run)

    def test_functions_that_are_flushed_while_workers_wait_are_loaded_again(self):
        with self.trouble():
            self.stack.redis.call("FUNCTION", "FLUSH")
            self.heal()
            self.comes_back()


class SilentApi(TroubleTest):
    """Connections that are neither answered nor closed."""
    kind, redis_timeout = ProxiedStack, 2.0

    def test_an_api_whose_connections_are_silent_refuses_in_time_and_connects_anew(self):
        run = self.start_long()
        with self.trouble():
            self.remember_key()
            self.stack.proxies["api"].half_open()
            for _ in range(2):  # the first time the connection has still to be given up
                self.all_refused(*self.calls_of_every_kind(run))
            self.not_ready()
            self.stack.proxies["api"].half_open(False)
            self.heal()
            self.comes_back([run])
        self.undisturbed(run)


class SilentWorker(TroubleTest):
    kind = ProxiedStack

    def given_up(self, worker):
        """The worker has noticed that its connection for calls lives no more. (That of the blocked read it only misses if it
        was reading.)"""
        wait_for("the connection is given up", lambda: any(
            '"redis_lost"' in line and f'"reprise-{worker.id}"' in line for line in worker.log_text().splitlines()), 8)

    def test_an_idle_worker_whose_connections_are_silent_connects_anew_and_takes_what_waits(self):
        with self.trouble():
            self.stack.proxies["worker"].half_open()
            waiting = [self.start(), self.start()]
            self.given_up(self.stack.workers[0])
            self.stack.proxies["worker"].half_open(False)
            self.heal()
            self.comes_back(waiting)

    def test_a_worker_whose_connections_are_silent_keeps_its_run(self):
        run = self.start_long()
        with self.trouble():
            self.stack.proxies["worker"].half_open()
            self.given_up(self.stack.workers[0])
            self.stack.proxies["worker"].half_open(False)
            self.heal()
            self.comes_back([run])
        self.undisturbed(run)


class Frozen(TroubleTest):
    redis_timeout = 2.0

    def test_a_redis_that_is_frozen_for_ten_seconds_delays_and_costs_nothing(self):
        run = self.start_long()
        with self.trouble():
            self.remember_key()
            self.stack.redis_process.signal(signal.SIGSTOP)
            until = time.monotonic() + 10
            while time.monotonic() < until - self.answered:
                self.all_refused(*self.calls_of_every_kind(run))
            self.not_ready()
            time.sleep(max(0.0, until - time.monotonic()))
            self.stack.redis_process.signal(signal.SIGCONT)
            self.heal()
            self.comes_back([run])
        self.undisturbed(run)


class AwayForLong(TroubleTest):
    lease = 3.0

    def test_an_outage_longer_than_the_lease_is_not_held_against_the_run(self):
        run = self.start_long()
        with self.trouble():
            self.stack.redis_process.kill()
            wait_for("the step is ended by its keeper", lambda: not self.stack.step_processes(), self.lease + 2)
            self.refuses_to_start()
            self.redis_is_back()
            self.comes_back([run])

    def test_a_worker_that_died_while_redis_was_away_is_not_held_against_its_run(self):
        run = self.start_long()
        self.stack.redis_process.kill()
        self.stack.kill_worker(self.stack.workers.pop())
        with self.trouble():
            time.sleep(self.lease)  # nothing happens: nobody is there to see the lease end
            self.redis_is_back()
            self.stack.start_worker()
            self.comes_back([run])


class Rights(TroubleTest):
    """The programs' own users in Redis, changed under them."""
    users = (USERS["api"], USERS["worker"])

    def setUp(self):
        super().setUp()
        self.stack.denies = True

    def put_right(self):
        for line in (self.stack.dir / "users.acl").read_text().splitlines():
            _, user, *rules = re.findall(r"\([^)]*\)|\S+", line)
            if user in self.users:
                self.stack.redis.call("ACL", "SETUSER", user, "reset", *rules)
        self.heal()

    def test_a_password_that_is_no_longer_right_is_an_outage_until_it_is_again(self):
        run = self.start_long()
        with self.trouble():
            for user in self.users:
                self.stack.redis.call("ACL", "SETUSER", user, "resetpass", ">other")
                self.stack.redis.call("CLIENT", "KILL", "USER", user)
            self.all_refused(*self.calls_of_every_kind(run))
            self.assertIn("WRONGPASS", self.not_ready())
            self.put_right()
            self.comes_back([run])

    def test_rights_that_are_taken_away_are_an_outage_until_they_are_given_back(self):
        run = self.start_long()
        with self.trouble():
            for user in self.users:
                self.stack.redis.call("ACL", "SETUSER", user, "-@all")
            for _ in range(3):
                self.all_refused(*self.calls_of_every_kind(run), within=1)
            self.assertIn("NOPERM", self.not_ready(within=1))
            self.put_right()
            self.comes_back([run])
        self.undisturbed(run)


class Locked(TroubleTest):
    stack_options = {"acl": False}

    def test_a_redis_that_wants_a_password_all_of_a_sudden_is_an_outage(self):
        run = self.start_long()
        with self.trouble():
            self.stack.redis.call("CONFIG", "SET", "requirepass", "secret")
            self.stack.redis.call("CLIENT", "KILL", "TYPE", "normal")
            self.all_refused(*self.calls_of_every_kind(run))
            self.assertIn("NOAUTH", self.not_ready())
            self.stack.redis.call("CONFIG", "SET", "requirepass", "")
            self.heal()
            self.comes_back([run])


class Unsafe(TroubleTest):
    """Settings of Redis that cannot keep what is promised."""

    def started_with(self, setting, value, why):
        safe = self.stack.redis.call("CONFIG", "GET", setting)[1]
        self.stack.redis.call("CONFIG", "SET", setting, value)
        for process in (self.stack.api, self.stack.workers.pop()):
            self.assertEqual(process.stop(), 0)
        self.stack.api = self.stack.launch("api-2", [BIN / "reprise-api", "serve", "--listen", "127.0.0.1:0",
                                                     *self.stack.common("api")])
        self.stack.port = int(self.stack.api.wait_log("serving")["port"])
        worker = self.stack.start_worker()
        for program in (self.stack.api, worker):
            said = program.wait_log("redis_unsafe", 3)
            self.assertEqual(said["level"], "warn")
            self.assertIn(why, said["why"])
        self.assertIn(why, self.not_ready(within=1))
        self.stack.redis.call("CONFIG", "SET", setting, safe)
        self.heal()
        self.client = Api(self.stack.port, self.client.key)
        self.comes_back()

    def test_a_redis_that_may_evict_keys_is_called_unsafe(self):
        self.started_with("maxmemory-policy", "allkeys-lru", "maxmemory-policy")

    def test_a_redis_without_its_log_is_called_unsafe(self):
        self.started_with("appendonly", "no", "append-only")


if __name__ == "__main__":
    unittest.main()
