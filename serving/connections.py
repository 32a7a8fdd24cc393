"""How calls are sent: blocking or by asyncio, behind one set of coroutines.

What a client does is written once, as coroutines over a connection. A blocking connection's own
coroutines never suspend: `run_blocking` gets a result out of them without an event loop.
"""

import asyncio
import contextvars
import functools
import threading
import time
from concurrent import futures

import grpc
import grpc.aio


class CallCancelled(Exception):  # noqa: N818  (as errors are called here)
    """A call was given up on this side, and not by cancelling the task that awaits it."""


def run_blocking(coroutine):
    """The result of a coroutine that awaits nothing but a `BlockingConnection`."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return ended.value
    raise RuntimeError(f"{coroutine} waits for an event loop")


class _Group:
    """Calls that are given up together."""

    def __init__(self):
        self.cancelled = threading.Event()
        self._calls = set()
        self._lock = threading.Lock()

    def add(self, call):
        with self._lock:
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
        if self.cancelled.is_set():
            call.cancel()

    def cancel(self):
        self.cancelled.set()
        with self._lock:
            calls = list(self._calls)
        for call in calls:
            call.cancel()


_GROUP = contextvars.ContextVar("group of calls", default=None)


class BlockingConnection:
    """Blocks in the thread of the caller; several threads may share it.

    Args:
        channel: callable from an address to a channel made by the module given first; see
            `serving.channels.open_channel`.
        addresses: of the servers.
    """

    def __init__(self, channel, addresses):
        self._channels = {address: channel(grpc, address) for address in addresses}

    async def send(self, address, method, request, timeout):
        """Send one request to one of the addresses and wait for the answer.

        Raises:
            grpc.RpcError: the call failed.
            CallCancelled: it was given up.
        """
        call = None
        try:
            call = _stub(self._channels[address], method).future(request, timeout=timeout)
            if group := _GROUP.get():
                group.add(call)
            return call.result()
        except grpc.FutureCancelledError as error:
            raise CallCancelled from error
        except BaseException:
            if call is not None:
                call.cancel()  # after Ctrl-C the server need not go on
            raise

    async def sleep(self, seconds):
        group = _GROUP.get()
        if group:
            group.cancelled.wait(seconds)
        else:
            time.sleep(seconds)

    async def in_thread(self, function, *arguments):
        """Work of the processor, which shall not hold up other calls: here it does not."""
        return function(*arguments)

    async def gather(self, functions, limit):
        """Run coroutine functions side by side; the first failure ends the others.

        Args:
            functions: coroutine functions without arguments.
            limit: how many run at once.

        Returns:
            Their results, in order.
        """
        group = _Group()

        def work(function):
            _GROUP.set(group)  # of this thread
            return run_blocking(function())

        with futures.ThreadPoolExecutor(limit) as pool:
            try:
                running = [pool.submit(work, function) for function in functions]
                ended, _ = futures.wait(running, return_when=futures.FIRST_EXCEPTION)
                for each in running:
                    if each in ended:
                        each.result()  # raises the failure, if there is one
                return [each.result() for each in running]
            except BaseException:
                group.cancel()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def close(self):
        """Close the channels; running calls fail as cancelled."""
        for channel in self._channels.values():
            channel.close()


class AsyncioConnection:
    """The twin for asyncio: the same, and cancelling a task cancels its calls on the server too."""

    def __init__(self, channel, addresses):
        self._open = functools.partial(channel, grpc.aio)
        self._channels = dict.fromkeys(addresses)  # each belongs to the loop that runs when made
        self._closed = False

    async def send(self, address, method, request, timeout):
        if self._closed:
            raise ValueError("Cannot call through a closed client")
        if (
            self._channels[address] is None
        ):  # it belongs to the event loop that runs when it is made
            self._channels[address] = self._open(address)
        call = _stub(self._channels[address], method)(request, timeout=timeout)
        try:
            return await call
        except asyncio.CancelledError:
            if asyncio.current_task().cancelling():
                raise
            raise CallCancelled from None

    sleep = staticmethod(asyncio.sleep)
    in_thread = staticmethod(asyncio.to_thread)

    async def gather(self, functions, limit):
        slots = asyncio.Semaphore(limit)

        async def work(function):
            async with slots:
                return await function()

        tasks = [asyncio.ensure_future(work(function)) for function in functions]
        try:
            return await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def close(self):
        self._closed = True
        for channel in filter(None, self._channels.values()):
            await channel.close()


def _stub(channel, method):
    return channel.unary_unary(
        method.path, method.request.SerializeToString, method.response.FromString
    )
