"""Giving up: what the server sees of it."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest

from serving import client
from serving.client import AsyncZooClient, ZooClient
from tests.serving.fake_server import Model

SECONDS = 20
INPUT = {"image": np.zeros((1, 2, 2, 3), np.float32)}


def wait_until_asked(fake):
    pause = threading.Event()
    for _ in range(SECONDS * 100):
        if fake.predicts:
            return
        pause.wait(0.01)
    raise AssertionError("the server was not asked")


def test_a_cancelled_task_cancels_its_call_on_the_server(fake, target):
    async def run():
        async with AsyncZooClient(target) as zoo:
            task = asyncio.ensure_future(zoo.predict("sleeper", INPUT))
            await asyncio.to_thread(wait_until_asked, fake)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(fake.abandoned.wait, SECONDS)

    asyncio.run(run())


def test_a_timeout_of_asyncio_cancels_the_call_on_the_server(fake, target):
    async def run():
        async with AsyncZooClient(target) as zoo:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(zoo.predict("sleeper", INPUT), 0.5)
            assert await asyncio.to_thread(fake.abandoned.wait, SECONDS)

    asyncio.run(run())


def test_closing_cancels_what_runs_in_other_threads(fake, target):
    zoo = ZooClient(target)
    caught = []

    def call():
        try:
            zoo.predict("sleeper", INPUT)
        except client.Cancelled as error:
            caught.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    wait_until_asked(fake)
    zoo.close()
    thread.join(SECONDS)
    assert caught
    assert fake.abandoned.wait(SECONDS)


def test_closing_cancels_what_runs_in_other_tasks(fake, target):
    async def run():
        zoo = AsyncZooClient(target)
        task = asyncio.ensure_future(zoo.predict("sleeper", INPUT))
        await asyncio.to_thread(wait_until_asked, fake)
        await zoo.close()
        with pytest.raises(client.Cancelled, match="sleeper"):
            await task

    asyncio.run(run())
    assert fake.abandoned.wait(SECONDS)


INTERRUPTED = """
import sys
import numpy as np
from serving.client import ZooClient
try:
    ZooClient(sys.argv[1]).predict("sleeper", {"image": np.zeros((1, 2, 2, 3), np.float32)})
except KeyboardInterrupt:
    print("interrupted", flush=True)
input()  # the process lives on: it is the call that ends
"""


def wait_until_asleep(pid, times=5):
    """Until the process's main thread waits, seen so often in a row: Ctrl-C then finds the call."""
    pause, seen = threading.Event(), 0
    while seen < times:
        seen = seen + 1 if psutil.Process(pid).status() == psutil.STATUS_SLEEPING else 0
        pause.wait(0.01)


def test_ctrl_c_cancels_the_call_on_the_server(fake, target):
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, target],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        wait_until_asked(fake)
        wait_until_asleep(process.pid)
        os.kill(process.pid, signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert fake.abandoned.wait(SECONDS)
        process.stdin.close()


def test_the_failure_of_one_part_gives_the_other_parts_up(connect, target, fake):
    """Of a batch in three parts, the first fails and the others wait."""
    fake.models["sleeper"] = Model()
    fake.max_batch_size = 1
    with connect(target, timeout=SECONDS) as zoo:
        batch = {"image": np.zeros((3, 2, 2, 3), np.float32)}
        failure = fail_second_call(fake)
        with pytest.raises(client.ServerError, match="one part"):
            zoo.predict("sleeper", batch)
        assert failure.is_set()
        assert fake.abandoned.wait(SECONDS)


def fail_second_call(fake):
    """The first call tells the batch's limit; of those after, the second one fails."""
    import grpc

    calls, failed, lock = iter(range(1000)), threading.Event(), threading.Lock()
    answer = fake._fail

    def fail(context):
        with lock:
            number = next(calls)
        if number == 2:
            failed.set()
            context.abort(grpc.StatusCode.INTERNAL, "one part")
        answer(context)

    fake._fail = fail
    return failed
