"""The command zoo-client, as a person runs it."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import grpc
import numpy as np
import PIL.Image
import pytest

from tests.serving.fake_server import Model, file_of

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "serving.client_program"]


@pytest.fixture
def run(target):
    def run(*arguments, stdin=b""):
        command = [*COMMAND, arguments[0], f"--server={target}", *map(str, arguments[1:])]
        return subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, check=False)

    return run


@pytest.fixture
def photos(tmp_path, cat):
    """A directory of three photos and a damaged one."""
    folder = tmp_path / "photos"
    (folder / "trip").mkdir(parents=True)
    for name in ("a.png", "trip/b.png", "c.webp"):
        cat.save(folder / name, lossless=True)
    (folder / "damaged.png").write_bytes(file_of(cat)[:2000])
    return folder


def pixels(path):
    return np.asarray(PIL.Image.open(path))


def test_a_directory_is_stylised_and_a_bad_file_does_not_stop_the_others(
    run, photos, tmp_path, cat
):
    ended = run("stylize", "--model=inverter", photos, "-o", tmp_path / "out")
    assert ended.returncode == 1
    assert f"skipped {photos}/damaged.png: " in ended.stderr.decode()
    assert "Traceback" not in ended.stderr.decode()
    assert f"3 of 4 pictures written to {tmp_path}/out" in ended.stdout.decode()
    written = {str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*.*")}
    assert written == {"a.png", "trip/b.png", "c.png"}
    for name in written:
        np.testing.assert_array_equal(pixels(tmp_path / "out" / name), 255 - np.asarray(cat))


def test_the_same_command_goes_on_with_what_is_missing(run, fake, photos, tmp_path):
    (photos / "damaged.png").unlink()
    arguments = ("stylize", "--model=inverter", photos, "-o", tmp_path / "out")
    assert run(*arguments).returncode == 0
    (tmp_path / "out" / "a.png").unlink()
    fake.predicts.clear()
    ended = run(*arguments)
    assert ended.returncode == 0
    assert "1 of 3 pictures written" in ended.stdout.decode()
    assert "2 were there" in ended.stdout.decode()
    assert len(fake.predicts) == 1
    run(*arguments, "--overwrite")
    assert len(fake.predicts) == 4


def test_stdin_goes_to_stdout(run, cat):
    ended = run("stylize", "--model=inverter", "-", "-o", "-", stdin=file_of(cat, "JPEG"))
    assert ended.returncode == 0, ended.stderr
    assert PIL.Image.open(io.BytesIO(ended.stdout)).size == cat.size


def test_upscale_enlarges_by_the_model_of_the_factor(run, fake, cat, tmp_path):
    cat.save(tmp_path / "cat.png")
    out = tmp_path / "large.png"
    assert run("upscale", "--factor=2", tmp_path / "cat.png", f"--output={out}").returncode == 0
    assert PIL.Image.open(out).size == (2 * cat.width, 2 * cat.height)
    assert fake.predicts[0].model_spec.name == "sr-x2"


def test_styles_and_strength_are_flags(run, fake, cat, tmp_path):
    cat.save(tmp_path / "cat.png")
    options = ["--style=wave:3,scream:1", "--strength=0.5", "--model=painters"]
    assert run("stylize", *options, tmp_path / "cat.png", "-o", tmp_path / "o.png").returncode == 0
    weights = fake.predicts[0].inputs["style_weights"].tensor_content
    np.testing.assert_allclose(np.frombuffer(weights, np.float32), [0.375, 0.125, 0.5])


def test_a_model_that_is_not_served_ends_it_at_once(run, fake, photos, tmp_path):
    ended = run("stylize", "--model=Inverter", photos, "-o", tmp_path / "out")
    assert ended.returncode == 1
    assert "The server has: inverter" in ended.stderr.decode()
    assert "Traceback" not in ended.stderr.decode()
    assert not list(tmp_path.glob("out/*"))


def test_status_tells_versions_and_whether_each_model_answers(run, fake):
    fake.models["inverter"] = Model(versions=(1, 2))
    ended = run("status", "inverter")
    assert (ended.returncode, ended.stdout.decode()) == (
        0,
        "inverter: version 2 AVAILABLE\ninverter: version 1 AVAILABLE\n",
    )
    ended = run("status", "inverter", "invertor")
    assert ended.returncode == 1
    assert "invertor: not served. " in ended.stdout.decode()


def test_models_tells_what_each_is(run):
    ended = run("models", "painters", "sr-x2", "inverter")
    assert ended.returncode == 0
    assert ended.stdout.decode().splitlines() == [
        "painters: version 1, styles wave, scream, photo",
        "sr-x2: version 1, enlarges 2 times",
        "inverter: version 1, signatures encoded, serving_default",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("paint",), "command 'paint' is none of stylize, upscale"),
        (("stylize", "a.png", "-o", "out"), "needs --model"),
        (("stylize", "--model=inverter", "a.png"), "-o for where"),
        (("stylize", "--model=inverter", "-", "b.png", "-o", "-"), "one picture only"),
        (("stylize", "--model=inverter", "--tile=big", "a.png", "-o", "out"), "--tile=big"),
    ],
)
def test_a_wrong_command_line_is_explained(run, arguments, words):
    ended = run(*arguments)
    assert ended.returncode == 2
    assert words in ended.stderr.decode()


def test_a_refusal_of_one_picture_does_not_stop_the_others(run, fake, photos, tmp_path):
    (photos / "damaged.png").unlink()
    fake.failures.append(
        (grpc.StatusCode.INVALID_ARGUMENT, "image must have no more than 3 pixels")
    )
    ended = run("stylize", "--model=inverter", "--in_flight=1", photos, "-o", tmp_path / "out")
    assert ended.returncode == 1
    assert "2 of 3 pictures" in ended.stdout.decode()
    assert "no more than 3 pixels" in ended.stderr.decode()


def test_ctrl_c_ends_it_without_a_traceback_or_half_a_picture(target, fake, photos, tmp_path):
    from tests.serving.test_cancelling import SECONDS, wait_until_asked

    command = [*COMMAND, "stylize", f"--server={target}", "--model=sleeper", photos]
    process = subprocess.Popen([*command, "-o", tmp_path / "out"], cwd=ROOT, stderr=subprocess.PIPE)
    wait_until_asked(fake)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert b"Traceback" not in errors
    assert fake.abandoned.wait(SECONDS)
    assert not list(tmp_path.glob("out/*"))
