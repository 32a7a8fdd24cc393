import subprocess
import sys

import pytest

from zoo import images


@pytest.mark.parametrize(
    ("flags", "code", "problem"),
    [
        (["--model=scream"], 1, "no model 'scream'"),
        (["--model=starry-night", "--calibration=empty"], 1, "empty: no such file, nor"),
        (["--model=starry-night", "--variants=int4"], 1, "no variant int4"),
        (["--model=starry-night", "--size=4"], 2, "size"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(tmp_path, flags, code, problem):
    (tmp_path / "empty").mkdir()
    flags = [flag.replace("=empty", f"={tmp_path}/empty") for flag in flags]
    command = [sys.executable, "-m", "zoo.tflite", f"--output={tmp_path}/out", *flags]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == code
    assert problem in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_files_and_their_card_are_written(tmp_path, photos):
    images.write(photos[0][:64, :64], tmp_path / "cat.png")
    command = [sys.executable, "-m", "zoo.tflite", "--model=starry-night", "--variants=float16"]
    result = subprocess.run(
        [*command, "--sizes=32", f"--photos={tmp_path}/cat.png", f"--output={tmp_path}/out"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    name = "starry-night-float16-32.tflite"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [name, "starry-night.md"]
    kilobytes = (tmp_path / "out" / name).stat().st_size / 1000
    row = f"| {name} | {kilobytes:.0f} "
    assert row in result.stdout
    assert row in (tmp_path / "out" / "starry-night.md").read_text()
    assert "takes all" in result.stdout
