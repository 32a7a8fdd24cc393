import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "trainers.evaluate: no command: give one of style, superres, then its flags"),
        (["colours"], "trainers.evaluate: unknown command 'colours': give one of style"),
        (["superres"], "trainers.evaluate superres: flag --set=None: "),
        (["superres", "--set=/nowhere", "photo.jpg"], "unexpected argument 'photo.jpg'"),
    ],
)
def test_a_wrong_command_line_is_refused_with_2(arguments, message):
    command = [sys.executable, "-m", "trainers.evaluate", *arguments]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
