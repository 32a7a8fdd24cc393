import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest


@pytest.fixture
def run_program(tmp_path):
    """Runs a program whose main(argv) has this body."""

    def run(body, *arguments):
        path = tmp_path / "painter.py"
        path.write_text(
            "from absl import app, flags\n"
            "from zoo import program\n"
            "from zoo.errors import UserError\n"
            "flags.DEFINE_integer('strokes', 3, 'Number of strokes.')\n"
            "def main(argv):\n" + textwrap.indent(body, "    ") + "\n"
            "program.run(main, 'zoo.painter')\n"
        )
        command = [sys.executable, path, *arguments]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


def test_main_gets_the_name_the_arguments_and_the_flags(run_program):
    result = run_program("print(argv, flags.FLAGS.strokes)", "a.png", "--strokes=5", "b.png")
    assert result.stdout == "['zoo.painter', 'a.png', 'b.png'] 5\n"
    assert (result.returncode, result.stderr) == (0, "")


def test_what_main_returns_is_the_exit_code(run_program):
    assert run_program("return 1").returncode == 1
    assert run_program("return None").returncode == 0


def test_a_user_error_is_told_without_a_traceback(run_program):
    result = run_program("raise UserError('the canvas is wet: wait a day')")
    assert result.returncode == 1
    assert result.stderr == "zoo.painter: the canvas is wet: wait a day\n"


@pytest.mark.parametrize(
    ("body", "flag", "problem"),
    [
        ("pass", "--brush=soft", "Unknown command line flag 'brush'"),
        ("pass", "--strokes=many", "flag --strokes=many: "),
        ("raise app.UsageError('give a canvas')", "--strokes=1", "give a canvas"),
    ],
)
def test_wrong_flags_end_with_2_and_point_to_the_help(run_program, body, flag, problem):
    result = run_program(body, flag)
    assert result.returncode == 2
    assert result.stderr.startswith(f"zoo.painter: {problem}")
    assert result.stderr.endswith("--help shows the flags.\n")


def test_ctrl_c_ends_with_130(run_program):
    result = run_program("raise KeyboardInterrupt")
    assert (result.returncode, result.stderr) == (130, "zoo.painter: interrupted\n")


def test_a_bug_still_shows_its_traceback(run_program):
    result = run_program("return 1 / 0")
    assert result.returncode == 1
    assert "Traceback" in result.stderr
    assert "ZeroDivisionError" in result.stderr


def test_help_shows_the_flags(run_program):
    assert "Number of strokes." in run_program("pass", "--help").stdout


def test_help_of_an_installed_command_shows_the_flags_of_its_program():
    command = "import sys; sys.argv = ['zoo-apply', '--help']; from zoo.apply import cli; cli()"
    shown = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert "Transform pictures with a model of the zoo" in shown.stdout
    assert "--saved_models" in shown.stdout
