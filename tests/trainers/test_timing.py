import time

from trainers.timing import BLOCKS, CALLS, alternating_seconds


def test_functions_take_turns_in_short_blocks_once_both_have_run(monkeypatch):
    now, calls = 0.0, []
    monkeypatch.setattr(time, "perf_counter", lambda: now)

    def taking(name, seconds):
        def function(argument):
            nonlocal now
            now += seconds * argument + (100 if name not in calls else 0)  # compiles at first
            calls.append(name)

        return function

    functions = {"slow": taking("slow", 3), "fast": taking("fast", 1)}
    blocks = alternating_seconds(functions, 2)
    assert blocks == {"slow": [6.0] * BLOCKS, "fast": [2.0] * BLOCKS}
    turns = ["slow"] * CALLS + ["fast"] * CALLS
    assert calls == ["slow", "fast", *turns * BLOCKS]
