"""The guide's Kotlin is compiled and run, on a JVM, with stand-ins for Android and LiteRT."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.catalog import SAVED_MODELS
from zoo.tflite.runtime import LiteRTModel

GUIDE = SAVED_MODELS.parent / "docs" / "litert.md"
STAND_INS = Path(__file__).parent / "kotlin"
SIDE = 384


@pytest.fixture(scope="module")
def class_path():
    """Kotlin's compiler and library."""
    kernel = importlib.util.find_spec("run_kotlin_kernel")
    if not kernel or not shutil.which("java"):
        pytest.skip("needs java, and Kotlin's compiler from `pip install kotlin-jupyter-kernel`")
    return ":".join(map(str, Path(kernel.origin).parent.glob("jars/*.jar")))


@pytest.fixture(scope="module")
def program(class_path, tmp_path_factory):
    directory = tmp_path_factory.mktemp("kotlin")
    (snippet,) = re.findall(r"```kotlin\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (directory / "Painter.kt").write_text(snippet)
    sources = [directory / "Painter.kt", *sorted(STAND_INS.glob("*.kt"))]
    compiler = [
        "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler",
        "-no-stdlib",
        "-no-reflect",
        "-Werror",
    ]
    subprocess.run(
        ["java", "-cp", class_path, *compiler, "-cp", class_path, "-d", directory, *sources],
        check=True,
    )
    return ["java", "-cp", f"{directory}:{class_path}"]


@pytest.mark.parametrize("variant", ["float16", "dynamic"])
def test_it_gives_the_pixels_that_the_file_gives(program, variant, photos, tmp_path):
    file = SAVED_MODELS / "udnie" / "tflite" / f"udnie-{variant}-{SIDE}.tflite"
    photo = np.rint(255 * photos[1][:SIDE, :SIDE]).astype(np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    answer = f"-Danswer={sys.executable} {STAND_INS / 'answer.py'}"
    arguments = [file, str(SIDE), tmp_path / "photo.png", tmp_path / "painted.png"]
    subprocess.run([*program, answer, "MainKt", *arguments], check=True)
    painted = np.asarray(Image.open(tmp_path / "painted.png").convert("RGB"), np.float32)
    expected = 255 * LiteRTModel(file).transform(photo.astype(np.float32) / 255, None)
    assert np.abs(painted - np.rint(expected)).max() <= 1  # halves may go either way
    assert np.ptp(painted) > 100
