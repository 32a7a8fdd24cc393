import sys

import numpy as np
import pytest

from zoo.apply import transform_files
from zoo.destinations import destinations
from zoo.errors import UserError
from zoo.striped import StripedPicture
from zoo.video import transform_video

av = pytest.importorskip("av")

FRAMES, RATE, SOUND = 12, 12, 44100


def inverted(picture):
    size = picture.rgb.shape[:2]
    return StripedPicture(size, 3, iter([1 - picture.rgb]), picture.origin)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A red bar that moves over grey, with a tone."""
    path = tmp_path_factory.mktemp("films") / "bar.mp4"
    with av.open(path, "w") as file:
        pictures = file.add_stream("libx264", rate=RATE)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        sound = file.add_stream("aac", rate=SOUND)
        for i in range(FRAMES):
            pixels = np.full((48, 64, 3), 200, np.uint8)
            pixels[:, 4 * i : 4 * i + 8] = (255, 0, 0)
            file.mux(pictures.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(pictures.encode(None))
        tone = np.sin(2 * np.pi * 440 * np.arange(SOUND * FRAMES // RATE) / SOUND) / 3
        samples = av.AudioFrame.from_ndarray(tone.astype(np.float32)[None], "fltp", "mono")
        samples.sample_rate, samples.pts = SOUND, 0
        file.mux(sound.encode(samples))
        file.mux(sound.encode(None))
    return path


def seen(path):
    """(times, pixels) of a video's frames."""
    with av.open(path) as file:
        frames = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)]
    times, pixels = zip(*frames, strict=True)
    return np.array(times), np.array(pixels, int)


def sound_of(path):
    """The packets of a video's sound."""
    with av.open(path) as file:
        return [bytes(packet) for packet in file.demux(audio=0)]


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_every_frame_is_transformed_at_its_time_and_the_sound_stays(film, tmp_path, name):
    transform_video(inverted, film, tmp_path / name)
    (times, pixels), (before_times, before) = seen(tmp_path / name), seen(film)
    assert len(times) == FRAMES
    np.testing.assert_allclose(np.diff(times), np.diff(before_times), atol=2e-3)
    assert np.abs(pixels - (255 - before)).mean() < 4
    assert sound_of(tmp_path / name) == sound_of(film)
    assert len(sound_of(film)) > FRAMES
    assert list(tmp_path.iterdir()) == [tmp_path / name]


def test_a_result_of_an_odd_or_another_size_is_written(film, tmp_path):
    def larger(picture):
        pixels = picture.rgb.repeat(2, 0).repeat(2, 1)[:-1, :-3]
        return StripedPicture(pixels.shape[:2], 3, iter([pixels]), picture.origin)

    transform_video(larger, film, tmp_path / "large.mp4")
    _, pixels = seen(tmp_path / "large.mp4")
    assert pixels.shape == (FRAMES, 94, 124, 3)


def test_the_program_takes_videos_beside_pictures(film, tmp_path, photo):
    written, failed = transform_files(inverted, [film], tmp_path)
    assert (written, failed) == ([tmp_path / "bar.mp4"], {})
    names = ["a.mov", "b.avi", "c.webm", "d.jpg"]
    assert [path.name for path in destinations(names, tmp_path)] == [
        *("a.mp4", "b.mkv", "c.mkv", "d.png")
    ]


def test_what_is_no_video_is_told(film, tmp_path):
    (tmp_path / "words.mp4").write_text("Dear diary")
    with pytest.raises(UserError, match=r"words\.mp4: Invalid data"):
        transform_video(inverted, tmp_path / "words.mp4", tmp_path / "out.mp4")
    with pytest.raises(UserError, match=r"nowhere\.mp4: No such file"):
        transform_video(inverted, tmp_path / "nowhere.mp4", tmp_path / "out.mp4")
    with pytest.raises(UserError, match=r"name it \.mp4 or \.mkv"):
        transform_video(inverted, film, tmp_path / "out.webm")
    assert [path.name for path in tmp_path.iterdir()] == ["words.mp4"]


def test_a_frame_that_fails_leaves_no_video(film, tmp_path):
    def broken(picture):
        raise UserError("the model refuses it")

    with pytest.raises(UserError, match="the model refuses it"):
        transform_video(broken, film, tmp_path / "out.mp4")
    assert not list(tmp_path.iterdir())


def test_without_pyav_the_extra_is_told(film, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match=r"pip install '\.\[video\]'"):
        transform_video(inverted, film, tmp_path / "out.mp4")
