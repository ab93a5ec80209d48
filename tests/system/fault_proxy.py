"""A TCP proxy on the loopback that breaks what goes through it: connections reset, silent, one-way, slow or refused.

It works on a thread of its own. Every method returns once what it asks for is so; a target that is away only makes
the proxied connections end.
"""
import asyncio
import socket
import struct
import threading

RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with a time of 0: close() sends RST
CHUNK = 65536
IN_FLIGHT = 64  # chunks of one direction that are being delayed


def reset(sock):
    if sock.family == socket.AF_INET:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    sock.close()


class Link:
    """One proxied connection."""

    def __init__(self, client):
        self.client, self.server, self.task = client, None, None
        self.abort = False   # it is to end with RST
        self.hole = False    # some of its replies were swallowed
        self.budget = None   # bytes from the client until it is reset

    def close(self):
        """The server is closed without RST after a cut in the middle: what was forwarded is to be carried out."""
        (reset if self.abort else socket.socket.close)(self.client)
        if self.server:
            (reset if self.abort and self.budget is None else socket.socket.close)(self.server)


class FaultProxy:
    """target: path of a unix socket, or (host, port)."""

    def __init__(self, target):
        self._target, self._links = target, set()
        self._silent = self._swallow = self._refusing = False
        self._delay, self._accepting = 0.0, None
        self._listener = self._bind(0)
        self.port = self._listener.getsockname()[1]
        self._listener.listen(128)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{self.port}", daemon=True)
        self._thread.start()
        self._do(self._start_accepting())

    # --- what breaks things ---

    def cut(self):
        """Resets every connection now."""
        self._do(self._end(self._links))

    def cut_after(self, size):
        """Resets every connection of this moment after `size` more bytes of its client were forwarded; once. None calls
        off what has not come to that yet."""
        self._do(self._limit(size))

    def half_open(self, on=True):
        """Nothing passes in either direction, no end of a connection either; new connections get silence, too. When
        it is over, all of them are reset."""
        self._do(self._set_silent(on))

    def lose_replies(self, on=True):
        """Requests arrive, replies do not. When it is over, connections that lost some are reset: a stream with a
        hole is of no use."""
        self._do(self._set_swallow(on))

    def delay(self, seconds):
        """Every chunk is held for so long, in both directions; the order is kept."""
        self._do(self._set_delay(seconds))

    def refuse(self, on=True):
        """Connections are refused, and the present ones reset."""
        self._do(self._set_refusing(on))

    @property
    def connections(self):
        return len(self._links)

    def close(self):
        if self._loop.is_closed():
            return
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    # --- on the thread ---

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    @staticmethod
    def _bind(port):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.setblocking(False)
        return listener

    async def _start_accepting(self):
        self._accepting = self._loop.create_task(self._accept())

    async def _stop_accepting(self):
        self._accepting.cancel()
        await asyncio.wait([self._accepting])
        self._listener.close()

    async def _accept(self):
        while True:
            try:
                client, _ = await self._loop.sock_accept(self._listener)
            except OSError:  # reset before it was accepted, or no descriptors: the next one may do
                await asyncio.sleep(0.01)
                continue
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(client)
            self._links.add(link)
            link.task = self._loop.create_task(self._serve(link))
            link.task.add_done_callback(lambda _, link=link: self._gone(link))

    def _gone(self, link):
        link.close()  # by now none of its sockets is watched: closing a watched one would confuse the loop
        self._links.discard(link)

    async def _serve(self, link):
        if self._silent:
            await asyncio.Future()
        try:
            await self._connect(link)
            up, down = asyncio.Queue(IN_FLIGHT), asyncio.Queue(IN_FLIGHT)
            async with asyncio.TaskGroup() as tasks:
                for work in (self._read(link.client, up), self._forward(link, up),
                             self._read(link.server, down), self._back(link, down)):
                    tasks.create_task(work)
        except* OSError:
            link.abort = True

    async def _connect(self, link):
        unix = isinstance(self._target, str)
        link.server = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        link.server.setblocking(False)
        if not unix:
            link.server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await self._loop.sock_connect(link.server, self._target)

    async def _read(self, source, queue):
        """Apart from the writing, so that chunks are all late by the same time, and not by each other's."""
        chunk = None
        while chunk != b"":
            chunk = await self._loop.sock_recv(source, CHUNK)
            await queue.put((self._loop.time() + self._delay, chunk))

    async def _next(self, queue):
        """The next chunk, empty at the end. Never comes while the proxy is silent."""
        due, chunk = await queue.get()
        if due > self._loop.time():
            await asyncio.sleep(due - self._loop.time())
        if self._silent:
            await asyncio.Future()
        return chunk

    async def _forward(self, link, queue):
        while chunk := await self._next(queue):
            if link.budget is not None:
                chunk = chunk[:link.budget]
                link.budget -= len(chunk)
            await self._loop.sock_sendall(link.server, chunk)
            if link.budget == 0:
                raise ConnectionResetError("as asked for by cut_after")
        link.server.shutdown(socket.SHUT_WR)

    async def _back(self, link, queue):
        while True:
            chunk = await self._next(queue)
            if self._swallow or link.hole:
                link.hole = True
                if not chunk:
                    await asyncio.Future()
            elif chunk:
                await self._loop.sock_sendall(link.client, chunk)
            else:
                link.client.shutdown(socket.SHUT_WR)
                return

    async def _end(self, links):
        tasks = [link.task for link in links]
        for link in list(links):
            link.abort, link.budget = True, None
            link.task.cancel()
        if tasks:
            await asyncio.wait(tasks)
            await asyncio.sleep(0)  # the turn in which they are closed

    async def _limit(self, size):
        for link in self._links:
            if link.budget != 0:  # or its last piece is on its way: behind that there may be a hole
                link.budget = None if size is None else max(size, 1)

    async def _set_silent(self, on):
        was, self._silent = self._silent, on
        if was and not on:
            await self._end(self._links)

    async def _set_swallow(self, on):
        self._swallow = on
        if not on:
            await self._end({link for link in self._links if link.hole})

    async def _set_delay(self, seconds):
        self._delay = seconds

    async def _set_refusing(self, on):
        if on == self._refusing:
            return
        self._refusing = on
        if on:
            await self._stop_accepting()
            self._listener = self._bind(self.port)  # bound but not listening: the port stays ours and refuses
            await self._end(self._links)
        else:
            self._listener.listen(128)
            await self._start_accepting()

    async def _stop(self):
        await self._stop_accepting()
        await self._end(self._links)
