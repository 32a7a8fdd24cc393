"""The recipes of docs/client.md, each run as it stands there, but for the ports."""

import ast
import asyncio
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from serving.configure import models_config
from tests.serving.embedded.asking import free_port
from tests.serving.fake_server import file_of
from zoo import catalog

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "client.md").read_text()

# What grpcurl does with the files of the recipe, for machines without it.
GRPCURL = """#!{python}
import sys
import grpc
from google.protobuf import json_format
from serving.protocol import tensorflow_serving_pb2 as messages

address, method = sys.argv[-2:]
service, name = method.split("/")
proto = open(sys.argv[sys.argv.index("-proto") + 1]).read()
assert f"package {{service.rpartition('.')[0]}};" in proto
assert f"service {{service.rpartition('.')[2]}} " in proto
assert f"rpc {{name}}(perceptual_zoo.tensorflow_serving.{{name}}Request)" in proto
request = json_format.Parse(sys.stdin.read(), getattr(messages, f"{{name}}Request")())
answer = getattr(messages, f"{{name}}Response")
with grpc.insecure_channel(address) as channel:
    call = channel.unary_unary(f"/{{method}}", lambda r: r.SerializeToString(), answer.FromString)
    print(json_format.MessageToJson(call(request, timeout=20)))
"""


def recipes(heading, language):
    """The blocks of code below a heading; None: before the first."""
    section = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    found = [s for s in section if s.startswith(heading)] if heading else section[:1]
    [section] = found
    return re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


def save_model(path, factor):
    """A SavedModel that turns files into negatives, `factor` times as large."""
    import tensorflow as tf

    def negative(file):
        pixels = 255 - tf.io.decode_image(file, channels=3, expand_animations=False)
        for axis in (0, 1):
            pixels = tf.repeat(pixels, factor, axis)
        return tf.io.encode_png(pixels)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def encoded(image_bytes):
        files = tf.map_fn(negative, image_bytes, fn_output_signature=tf.string)
        return {"image_bytes": files}

    tf.saved_model.save(tf.Module(), str(path), signatures={"encoded": encoded})


@pytest.fixture(scope="module")
def ports(tmp_path_factory):
    """Ports of gRPC and REST of the embedded server."""
    from serving import server

    folder = tmp_path_factory.mktemp("models")
    for name, factor in (("starry-night", 1), ("sr-x4", 4)):
        save_model(folder / name / "1", factor)
    config = folder / "models.config"
    config.write_text(models_config(catalog.models(folder)))
    grpc_port, rest_port = free_port(), free_port()
    flags = [f"--port={grpc_port}", f"--rest_api_port={rest_port}", "--grpc_max_threads=32"]
    running = server.start(server.parse([*flags, f"--model_config_file={config}"]))
    yield {"8500": str(grpc_port), "8501": str(rest_port)}
    running.stop(grace_seconds=1)


@pytest.fixture
def here(tmp_path, cat, monkeypatch):
    """The directory in which a recipe runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(file_of(cat, "JPEG"))
    (tmp_path / "photos").mkdir()
    for name in ("cat", "other"):
        cat.save(tmp_path / "photos" / f"{name}.png")
    (tmp_path / "serving").symlink_to(ROOT / "serving")
    return tmp_path


@pytest.fixture
def adapted(ports):
    def adapted(code):
        for said, real in ports.items():
            code = code.replace(f"localhost:{said}", f"localhost:{real}")
        return code

    return adapted


@pytest.fixture
def shell(here, adapted):
    """Run a recipe of the shell where `zoo-client` and `grpcurl` are found."""
    programs = here / "programs"
    programs.mkdir()
    client = f'#!/bin/sh\nexec {sys.executable} -m serving.client_program "$@"\n'
    scripts = {"zoo-client": client, "python": f'#!/bin/sh\nexec {sys.executable} "$@"\n'}
    if not shutil.which("grpcurl"):
        scripts["grpcurl"] = GRPCURL.format(python=sys.executable)
    for name, text in scripts.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }

    def run(recipe):
        command = ["sh", "-e", "-c", adapted(recipe)]
        return subprocess.run(
            command, cwd=here, env=environment, check=True, capture_output=True, text=True
        ).stdout

    return run


def assert_negative(path, photo):
    difference = 255 - np.asarray(PIL.Image.open(path), int) - np.asarray(photo, int)
    assert np.abs(difference).mean() < 6  # of JPEG


def test_the_first_example(here, adapted, cat, capsys):
    [recipe] = recipes(None, "python")
    exec(adapted(recipe), names := {})
    assert_negative("picture.png", cat)
    assert names["large"].size == (4 * cat.width, 4 * cat.height)
    assert "AVAILABLE" in capsys.readouterr().out


def test_the_command_line(shell, here, cat):
    [recipe] = recipes("A directory", "sh")
    told = shell(recipe)
    assert {path.name for path in (here / "pictures").iterdir()} == {"cat.png", "other.png"}
    assert PIL.Image.open(here / "cat4.png").size == (4 * cat.width, 4 * cat.height)
    assert_negative(here / "picture.png", cat)
    assert "2 of 2 pictures written" in told
    assert "starry-night: version 1 AVAILABLE" in told
    assert "sr-x4: version 1, signatures encoded" in told


def test_flask(here, adapted, cat):
    [recipe] = recipes("A web service", "python")
    names = {"__name__": "recipe"}
    exec(adapted(recipe), names)
    web = names["app"].test_client()
    answer = web.post("/stylize/starry-night", data=Path("photo.jpg").read_bytes())
    assert (answer.status_code, answer.mimetype) == (200, "image/png")
    Path("answer.png").write_bytes(answer.data)
    assert_negative("answer.png", cat)
    assert web.post("/stylize/starry-night", data=b"no picture").status_code == 400
    names["zoo"].close()


def test_asyncio(here, adapted, cat, capsys):
    (here / "photos" / "damaged.png").write_bytes(b"\x89PNG")
    [recipe] = recipes("Many pictures", "python")
    exec(adapted(recipe), {})
    for name in ("cat", "other"):
        assert_negative(f"pictures/{name}.png", cat)
    assert "damaged.png: " in capsys.readouterr().out


def test_notebook(here, adapted, cat):
    """A cell runs within an event loop, and its last expression is shown."""
    [recipe] = recipes("A notebook", "python")
    *before, last = ast.parse(adapted(recipe)).body
    last = ast.Assign([ast.Name("shown", ast.Store())], last.value)
    cell = ast.fix_missing_locations(ast.Module([*before, last], []))
    code = compile(cell, "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names = {}

    async def notebook():
        running = eval(code, names)
        assert inspect.isawaitable(running)
        await running
        await names["zoo"].close()

    asyncio.run(notebook())
    assert names["shown"]._repr_png_().startswith(b"\x89PNG")
    assert names["shown"].size == cat.size


@pytest.mark.skipif(not shutil.which("curl"), reason="the recipe is of curl")
def test_rest_by_curl(shell, here, cat):
    [recipe] = recipes("Another language: REST", "sh")
    shell(recipe)
    assert_negative(here / "picture.png", cat)


def test_rest_by_requests(here, adapted, cat):
    [recipe] = recipes("Another language: REST", "python")
    exec(adapted(recipe), {})
    assert_negative("picture.png", cat)


def test_grpcurl(shell, here, cat):
    [recipe] = recipes("Another language: gRPC", "sh")
    shell(recipe)
    assert_negative(here / "picture.png", cat)


def test_every_recipe_is_run():
    assert len(re.findall(r"^```(?:python|sh)$", PAGE, re.MULTILINE)) == 8
