import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.zoo.encoded_files import encoded, png
from zoo import images
from zoo.apply import transform_files
from zoo.destinations import destinations
from zoo.striped import StripedPicture


def run_program(*arguments, **options):
    command = [sys.executable, "-m", "zoo.apply", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


# --- The program, on an album as people have it


@pytest.fixture(scope="module")
def album(tmp_path_factory, photo):
    folder = tmp_path_factory.mktemp("album")
    upright = photo[:100, :60]
    best = {"quality": 100, "subsampling": 0}
    exif = Image.Exif()
    exif[0x0112] = 6  # stored a quarter turn to the left
    deep = (upright.astype(">u2") * 257).reshape(100, -1)
    rgba = np.dstack([upright, np.tile(np.arange(60, dtype=np.uint8) * 4, (100, 1))])
    files = {
        "good.jpg": encoded(upright, "JPEG", **best),
        "deep.png": png(60, 100, 16, 2, [row.tobytes() for row in deep]),
        "glass.png": encoded(rgba, "PNG"),
        "phone.jpg": encoded(np.ascontiguousarray(np.rot90(upright)), "JPEG", exif=exif, **best),
        "notes.jpg": b"Dear diary, this is no photo.",
        "empty.jpg": b"",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def applied(album, tiny_model, tmp_path_factory):
    """The program's result on the album, and the directory that it wrote to."""
    output = tmp_path_factory.mktemp("applied") / "made" / "for me"
    saved_models = f"--saved_models={tiny_model.parent.parent}"
    return run_program("--model=tiny", saved_models, f"--output={output}", album), output


def test_every_readable_picture_is_written_upright_and_in_its_size(applied):
    _, output = applied
    pictures = {path.name: Image.open(path) for path in output.iterdir()}
    assert sorted(pictures) == ["deep.png", "glass.png", "good.png", "phone.png"]
    assert {picture.size for picture in pictures.values()} == {(60, 100)}
    modes = {name: picture.mode for name, picture in pictures.items()}
    assert modes == {name: "RGBA" if name == "glass.png" else "RGB" for name in modes}
    upright, turned, deep = (
        np.asarray(pictures[name], int) for name in ("good.png", "phone.png", "deep.png")
    )
    assert np.abs(upright - turned).mean() < 10
    assert np.abs(upright - deep).mean() < 10
    alpha = np.asarray(pictures["glass.png"])[..., 3]
    np.testing.assert_array_equal(alpha, np.tile(np.arange(60) * 4, (100, 1)))


def test_unreadable_files_are_named_and_make_the_exit_code_1(applied, album):
    result, output = applied
    assert result.returncode == 1
    assert result.stdout == f"4 of 6 pictures written to {output}\n"
    for name, problem in {"empty.jpg": "empty", "notes.jpg": "not a picture"}.items():
        (line,) = [
            line for line in result.stderr.splitlines() if "skipped" in line and name in line
        ]
        assert f"skipped {album / name}: " in line
        assert problem in line


def test_nothing_else_is_on_standard_error_but_the_progress_bar(applied):
    result, _ = applied
    lines = result.stderr.replace("\r", "\n").splitlines()
    bar = [line for line in lines if "picture/s" in line or "s/picture" in line]
    skipped = [line for line in lines if line.startswith("skipped ")]
    assert bar
    assert {line.strip() for line in lines} == {line.strip() for line in (*bar, *skipped, "")}


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["--model=tiny", "--output=out", "--colour=red", "a.jpg"], 2, "colour"),
        (["--model=tiny", "a.jpg"], 2, "--output"),
        (["--model=tiny", "--output=out"], 2, "no input: give picture files"),
        (["--model=tiny", "--output=out", "a.jpg"], 1, "a.jpg: no such file"),
        (["--model=scream", "--output=out", "good.jpg"], 1, "no model 'scream'"),
        (["--model=tiny", "--output=out", "--tile=all", "good.jpg"], 2, "auto, off or a number"),
    ],
)
def test_what_is_wrong_is_said_before_any_work(album, arguments, code, problem):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    result = run_program(*arguments, cwd=album, env=environment)
    assert result.returncode == code
    assert result.stderr.startswith("zoo.apply: ")
    assert problem in result.stderr
    assert "Traceback" not in result.stderr
    assert not (album / "out").exists()


# --- Where pictures go


def inverted(picture):
    size = picture.rgb.shape[:2]
    return StripedPicture(size, 3, iter([1 - picture.rgb]), picture.origin)


def test_one_picture_may_be_given_a_files_name(album, tmp_path):
    output = tmp_path / "deeper" / "out.webp"
    assert transform_files(inverted, [album / "good.jpg"], output) == ([output], {})
    assert Image.open(output).format == "WEBP"


def test_one_picture_goes_into_a_directory_that_is_there_whatever_its_name(tmp_path):
    (tmp_path / "out.d").mkdir()
    assert destinations(["a/b.jpg"], tmp_path / "out.d") == [tmp_path / "out.d" / "b.png"]
    assert destinations(["a/b.jpg"], tmp_path / "new") == [tmp_path / "new" / "b.png"]


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        (["a.jpg", "b.webp"], ["a.png", "b.png"]),
        (["x/a.jpg", "x/y/a.jpg"], ["a.png", "y/a.png"]),
        (["x/a.jpg", "y/a.jpg"], ["x/a.png", "y/a.png"]),
        (["a.jpg", "a.png", "b.jpg"], ["a.jpg.png", "a.png.png", "b.png"]),
        (["a", "a.jpg"], ["a.png", "a.jpg.png"]),
        (["a.jpg", "a.png", "a.jpg.png"], ["a.jpg.png", "a.png.png", "a.jpg.png.png"]),
        (["../x/a.jpg", "x/./a.jpg"], ["x/a.png", "HERE/x/a.png"]),
    ],
)
def test_folders_are_kept_and_no_two_pictures_share_a_name(inputs, outputs):
    expected = [Path("out") / path.replace("HERE", Path.cwd().name) for path in outputs]
    assert destinations(inputs, "out") == expected
    assert len({*expected}) == len(inputs)


def test_a_link_goes_by_its_own_name(album, tmp_path):
    (tmp_path / "latest.jpg").symlink_to(album / "good.jpg")
    (tmp_path / "good.jpg").symlink_to(album / "good.jpg")
    links = [tmp_path / "latest.jpg", tmp_path / "good.jpg"]
    assert destinations(links, "out") == [Path("out/latest.png"), Path("out/good.png")]


def test_a_place_that_cannot_be_written_fails_that_picture_only(album, tmp_path, capfd):
    (tmp_path / "good.png").mkdir()
    inputs = [album / "good.jpg", album / "glass.png"]
    written, failed = transform_files(inverted, inputs, tmp_path)
    assert written == [tmp_path / "glass.png"]
    assert "cannot be written" in failed[album / "good.jpg"]
    assert f"skipped {album / 'good.jpg'}: " in capfd.readouterr().err
    (tmp_path / "file").touch()
    written, failed = transform_files(inverted, inputs, tmp_path / "file")
    assert (written, list(failed)) == ([], inputs)


def test_a_picture_is_never_replaced_by_its_own_result(tmp_path, photo):
    source = tmp_path / "photo.png"
    images.write(photo, source)
    before = source.read_bytes()
    written, failed = transform_files(inverted, [source], tmp_path)
    assert not written
    assert "another --output" in failed[source]
    assert source.read_bytes() == before
