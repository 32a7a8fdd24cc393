import pytest

from zoo import images
from zoo.errors import UserError


@pytest.fixture
def album(tmp_path):
    for name in ("b.JPG", "a.png", "sub/c.webp", "notes.txt", ".hidden.png", ".trash/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def names(files, album):
    return [str(file.relative_to(album)) for file in files]


def test_directories_and_globs_are_searched_for_pictures_sorted(album):
    everything = ["a.png", "b.JPG", "sub/c.webp"]
    assert names(images.find(album), album) == everything
    assert names(images.find([f"{album}/*"]), album) == everything
    assert names(images.find([f"{album}/**/*.webp"]), album) == ["sub/c.webp"]


def test_named_files_are_taken_whatever_their_suffix_once_and_in_order(album):
    paths = [album / "notes.txt", album / "b.JPG", album, f"{album}/sub/../a.png"]
    assert names(images.find(paths), album) == ["notes.txt", "b.JPG", "a.png", "sub/c.webp"]
    (album / "x[1].png").touch()
    assert names(images.find(album / "x[1].png"), album) == ["x[1].png"]


@pytest.mark.parametrize("path", ["missing.png", "*.tif", "empty"])
def test_a_path_that_matches_nothing_is_an_error(album, path):
    (album / "empty").mkdir()
    with pytest.raises(UserError, match="no such file, nor a directory or glob with pictures"):
        images.find([album, album / path])
