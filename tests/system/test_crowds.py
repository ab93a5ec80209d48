"""Crowds: hundreds of watchers and held GETs on one API process while runs progress; thousands with REPRISE_FULL=1.
Each sees all of its run, Redis has one reader, and nobody costs more than a little memory. The caps on connections
and the rate of a key are raised for it: as shipped, one address has 1,024 connections."""
import asyncio
import json
import pathlib
import re
import resource
import unittest

from persistent import sized
from unharmed import most_growth
from watching import (AT_ONE, AT_TWO, EVENTS, GatedTest, Monitor, Stream, another_api, calls, check_events,
                      read_event, request, resident)

RUNS = 20
WATCHERS, HOLDERS = sized(200, 2000), sized(200, 2000)
PATIENCE = sized(60, 150)  # seconds
# 503 when thousands come back in the same moment, and are told to come back a moment later; never to a few hundred.
MOST_REFUSED = sized(0, 10 * (WATCHERS + HOLDERS))
MOST_MEMORY = 20_000  # bytes, of one watcher and of one that is held
DESCRIPTORS = 3 * (WATCHERS + HOLDERS) + 500


def raise_limit():
    """For us, and for the programs that we start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < DESCRIPTORS:
        raise AssertionError(f"{DESCRIPTORS} open files are needed, and {hard} are allowed (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, DESCRIPTORS), hard))


async def together(calls_to_make, at_once=100):
    """All of them, so many at a time: a listening socket's queue has an end."""
    room = asyncio.Semaphore(at_once)

    async def one(call):
        async with room:
            return await call
    return await asyncio.gather(*(one(call) for call in calls_to_make))


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.05)


class Refused(Exception):
    """503: to come back in a moment."""


async def read_until(reader, stream, condition):
    while not condition():
        piece = await reader.read(65536)
        stream.take(piece)
        if stream.status == 503:
            raise Refused
        if not piece and not condition():
            raise AssertionError(f"closed too early: {stream.status}, {stream.head[:300]}, {stream.blocks[-1:]}")


class Visit:
    """A watcher's connection, which can be left and taken up again where it was left."""
    refused = 0  # of all

    def __init__(self, port, key, run):
        self.port, self.key, self.run = port, key, run
        self.blocks, self.stream, self.reader, self.writer = [], Stream(), None, None

    async def come(self):
        last = read_event(self.blocks[-1]).id if self.blocks else None
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=4096)
        self.writer.write(request(self.key, self.run, last))
        self.stream = Stream()

    async def see(self, seq):
        await self.until(lambda: self.stream.last >= seq)

    async def see_all(self):
        await self.until(lambda: self.stream.ended)

    async def until(self, condition):
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    try:
                        return await read_until(self.reader, self.stream, condition)
                    except Refused:
                        Visit.refused += 1
                        self.writer.close()
                        await asyncio.sleep(1)
                        await self.come()
        except TimeoutError:
            raise AssertionError(f"{self.run}: told no more than {(self.blocks + self.stream.blocks)[-1:]}, "
                                 f"{self.stream.heartbeats} heartbeats") from None

    async def come_and_see(self, seq):
        await self.come()
        await self.see(seq)

    async def come_and_see_all(self):
        await self.come()
        await self.see_all()

    def leave(self):
        self.blocks += self.stream.blocks
        self.writer.close()


class Holder:
    """One that asks for a run again and again, and lets itself be held until the run has changed."""
    refused = 0  # of all

    def __init__(self, port, key, run):
        self.port, self.key, self.run = port, key, run
        self.tags, self.final, self.reader, self.writer = [], None, None, None

    async def ask(self):
        known = self.tags[-1:]
        lines = [f"GET /api/runs/{self.run} HTTP/1.1", "Host: reprise", f"Authorization: Bearer {self.key}"]
        lines += [f"If-None-Match: {known[0]}", "Prefer: wait=55"] if known else []
        self.writer.write("\r\n".join([*lines, "", ""]).encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"\r\nContent-Length: (\d+)", head)
        body = await self.reader.readexactly(int(length[1])) if length else b""
        return int(head.split()[1]), re.findall(r'\r\nETag: (".*")\r\n', head), body

    async def follow(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        while not self.final:
            status, tag, body = await self.ask()
            if status == 503:
                Holder.refused += 1
                await asyncio.sleep(1)
            elif status != 304 or tag != self.tags[-1:]:
                assert status == 200, (status, body)
                self.tags += tag
                run = json.loads(body)
                self.final = run["status"] if "completedAt" in run else None
        self.writer.close()


class Crowds(GatedTest):

    @classmethod
    def setUpClass(cls):
        raise_limit()
        super().setUpClass()

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.api = another_api(cls, "api-2", "--max-per-address", 10000, "--max-connections", 20000, "--rate", 0)

    def test_an_api_without_sanitizers_has_an_allocator_for_crowds(self):
        """A linker may leave out a library that nothing names."""
        maps = pathlib.Path(f"/proc/{self.api.pid}/maps").read_text()
        self.assertTrue(any(name in maps for name in ("libjemalloc", "libasan", "libtsan")), maps[:2000])

    def test_each_of_a_crowd_sees_all_of_its_run(self):
        runs = [self.start() for _ in range(RUNS)]
        for run in runs:
            self.watch(run).until_seen(AT_ONE).close()
        asyncio.run(self.crowd(runs))

    async def crowd(self, runs):
        port, key = self.api.port, self.client.key
        visits = [Visit(port, key, runs[n % RUNS]) for n in range(WATCHERS)]
        # Those that stay, those that come back while the run goes on, and those that come back after its end.
        half, quarter = WATCHERS // 2, WATCHERS // 4
        staying, returning, late = visits[:half], visits[half:half + quarter], visits[half + quarter:]
        memory = [resident(self.api)]
        await together(visit.come_and_see(AT_ONE) for visit in visits)
        memory.append(resident(self.api))
        await self.watchers_cost_redis_nothing(visits, runs)
        holders = [Holder(port, key, runs[n % RUNS]) for n in range(HOLDERS)]
        following = await self.hold(holders)
        memory.append(resident(self.api))

        for visit in returning + late:
            visit.leave()
        self.forget_feed()
        await together(visit.come() for visit in returning)
        self.gates.open_all(runs, "two")
        await together(visit.see_all() for visit in staying + returning)
        await asyncio.wait_for(following, PATIENCE)
        self.forget_feed()
        await together(visit.come_and_see_all() for visit in late)
        for visit in visits:
            visit.leave()
        self.every_event(visits, runs)
        self.every_change(holders)
        self.little_memory(memory)
        self.assertLessEqual(Visit.refused + Holder.refused, MOST_REFUSED)

    async def watchers_cost_redis_nothing(self, visits, runs):
        clients = self.stack.redis.call("CLIENT", "LIST")
        self.assertEqual(clients.count(" name=reprise-api-feed "), 2, "one of each API: the other had watchers too")
        with Monitor(self.stack) as monitor:
            self.gates.open_all(runs, "one")
            await together((visit.see(AT_TWO) for visit in visits), len(visits))
        # A heartbeat's look whether the run has moved on is one small read in 15 s.
        reads = [words for run in runs for words in monitor.naming(run) if not words[0].upper().startswith("FCALL")
                 and [words[0].upper(), words[-1]] != ["HGET", "seq"]]
        self.assertEqual(reads, [], "each of these is one watcher's")
        self.assertGreater(len(monitor.naming("XREAD")), 0)

    async def hold(self, holders):
        """When all have been answered once, and all have asked to be held."""
        following = asyncio.gather(*(holder.follow() for holder in holders))
        await until(lambda: following.done() or all(holder.tags for holder in holders))
        # Each asks again at once; when next to nothing is read (the sweeps read a little all the time), all are held.
        seen, before = calls(self.stack, "hmget"), None
        async with asyncio.timeout(PATIENCE):
            while before is None or seen - before >= len(holders) // 10:
                await asyncio.sleep(0.5)
                before, seen = seen, calls(self.stack, "hmget")
        return following

    def every_event(self, visits, runs):
        whole = {run: self.whole(run) for run in runs}
        for run, blocks in whole.items():
            self.assertEqual(len(check_events(blocks, run)), EVENTS)
        for visit in visits:
            self.assertEqual(visit.blocks, whole[visit.run])

    def every_change(self, holders):
        """They may have missed some changes, but went forward only, and saw the end."""
        for holder in holders:
            seqs = [int(tag.strip('"')) for tag in holder.tags]
            self.assertEqual((holder.final, seqs), ("complete", sorted(set(seqs))))
            self.assertEqual((seqs[0], seqs[-1]), (AT_TWO, EVENTS))

    def little_memory(self, memory):
        of_watcher, of_holder = (memory[1] - memory[0]) / WATCHERS, (memory[2] - memory[1]) / HOLDERS
        print(f"bytes of memory: {of_watcher:.0f} for each of {WATCHERS} watchers, {of_holder:.0f} for each of "
              f"{HOLDERS} held GETs; 503 to {Visit.refused} and {Holder.refused}")
        self.assertLess(of_watcher, most_growth(self.api, MOST_MEMORY))
        self.assertLess(of_holder, most_growth(self.api, MOST_MEMORY))


if __name__ == "__main__":
    unittest.main()
