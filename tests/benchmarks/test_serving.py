import contextlib
import os
import re

import pytest

from benchmarks import serving
from serving import server
from serving.configure import models_config
from serving.local_server import LocalServer
from tests.conformance.servers import LOOPBACK, free_port


@contextlib.contextmanager
def server_here(models, directory, flags=()):
    """In the place of `running_server`: in this process, which takes less time."""
    config, port = directory / "models.config", free_port()
    config.write_text(models_config(models))
    started = server.start(
        server.parse([f"--model_config_file={config}", f"--port={port}", *flags])
    )
    yield LocalServer(f"{LOOPBACK}:{port}", os.getpid())
    started.stop(grace_seconds=1)


@pytest.fixture
def flags(tiny_model, monkeypatch):
    monkeypatch.setattr(serving, "running_server", server_here)
    small = ["--model=tiny", f"--saved_models={tiny_model.parents[1]}", "--size=32"]
    return [*small, "--overhead_calls=2", "--mixed_requests=8", "--seconds=0", "--concurrency=1,3"]


def tables(text):
    """The cells of each table's rows below its header."""
    found = []
    for line in text.splitlines():
        if line.startswith("| ---"):
            found.append([])
        elif line.startswith("| ") and found and not re.match(r"\| (batching|sent as|mixed)", line):
            found[-1].append([cell.strip() for cell in line.strip("| ").split(" | ")])
    return found


def test_the_program_measures_overhead_memory_and_load(flags, run_program, capsys):
    run_program(serving, *flags)
    text = capsys.readouterr().out
    assert text.startswith("tiny 1, 32x32 pixels; ")
    overhead, memory, one_by_one, batched, refusing = tables(text)
    assert [row[0] for row in overhead] == ["bytes", "tensors"]
    assert all(float(row[2]) > 0 for row in overhead)
    assert [row[0] for row in memory] == ["0", "2", "4", "6", "8"]
    assert memory[0][2] == "+0.0%"
    for rows, batching in ((one_by_one, "no"), (batched, "yes")):
        expected = [(batching, way, n) for way in ("bytes", "tensors") for n in ("1", "3")]
        assert [tuple(row[:3]) for row in rows] == expected
    assert [row[2] for row in refusing] == ["3", "3"]
    assert all(row[-1] == "0" for rows in (memory, one_by_one, batched, refusing) for row in rows)


def test_a_server_that_runs_already_is_measured_as_it_is(
    flags, run_program, tiny_model, tmp_path, capsys
):
    model = serving.catalog.find(str(tiny_model))
    with server_here([model], tmp_path) as running:
        run_program(serving, *flags, f"--server={running.address}")
    overhead, load = tables(capsys.readouterr().out)
    assert len(overhead) == 2
    assert {row[0] for row in load} == {"as the server has it"}


def test_the_overhead_is_that_of_calls_side_by_side():
    seconds = {"in process": [0.100, 0.200, 0.150], "served": [0.104, 0.206, 0.151]}
    cells = serving.overhead_rows({"bytes": seconds})[-1].strip("| ").split(" | ")
    assert cells == ["bytes", "150.0", "151.0", "4.0", "100.0", "104.0", "4.0", "15.0"]
    seconds = {key: [value / 10 for value in values] for key, values in seconds.items()}
    assert serving.overhead_rows({"bytes": seconds})[-1].endswith(" 8.0 |")


def test_mixed_requests_are_the_same_for_the_same_seed_and_of_every_kind():
    class Noting:
        def __init__(self):
            self.asked = []

        def status(self, name):
            self.asked.append("status")

        def predict(self, name, inputs, signature):
            [(alias, value)] = inputs.items()
            self.asked.append((signature, value if alias == "image_bytes" else value.tobytes()))

    def asked(seed):
        noting = Noting()
        for call in serving.mixed_requests(noting, "m", 60, seed):
            call()
        return noting.asked

    once = asked(1)
    assert once == asked(1) != asked(2)
    files = [value[0] for kind, value in (each for each in once if each != "status")]
    assert "status" in once
    assert {each[0] for each in once if each != "status"} == {"encoded", "serving_default"}
    assert any(len(file) == 200 for file in files if isinstance(file, bytes))  # cut short


@pytest.mark.parametrize("given", ["0", "4,x", "-1", ""])
def test_concurrency_must_be_positive_integers(run_program, given):
    with pytest.raises(Exception, match="positive integers"):
        run_program(serving, f"--concurrency={given}")
