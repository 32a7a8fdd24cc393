import numpy as np
import pytest
from absl import app

from benchmarks import peers
from benchmarks.peers import PEERS, photo_size, read_photos, row
from zoo import images, vgg
from zoo.errors import UserError


@pytest.mark.parametrize(
    ("shape", "size"),
    [((480, 640, 3), (384, 512)), ((679, 1024, 3), (340, 512)), ((760, 400, 3), (512, 268))],
)
def test_the_long_side_becomes_512_and_both_are_multiples_of_4(shape, size):
    assert photo_size(shape) == size


def test_small_photos_are_left_out(tmp_path):
    for name, shape in {"small": (511, 400, 3), "large": (300, 600, 3)}.items():
        images.write(np.zeros(shape, "float32"), tmp_path / f"{name}.png")
    (photo,) = read_photos([tmp_path])
    assert photo.rgb.shape == (256, 512, 3)
    with pytest.raises(UserError, match="no photo has a side of 512"):
        read_photos([tmp_path / "small.png"])


@pytest.mark.parametrize(
    ("content", "style", "verdict"), [(7.0, 0.57, "yes"), (7.2, 0.5, "no"), (7.0, 0.58, "no")]
)
def test_a_peer_is_beaten_by_less_content_and_less_style(content, style, verdict):
    line = row("great-wave", {"content": content, "style": style}, {"style": 5.07})
    peer = PEERS["great-wave"]
    assert line == (
        f"| great-wave | {content:.4g} | {peer.content} | {style:.4g} | {peer.style} "
        f"| 5.07 | {peer.photo_style} | {verdict} |"
    )


def test_a_model_without_a_peer_has_its_own_figures_alone():
    line = row("starry-night", {"content": 5.0, "style": 0.5}, {"style": 4.0})
    assert line == "| starry-night | 5 |  | 0.5 |  | 4 |  |  |"


def test_one_command_measures_models_and_the_photos(
    run_program, small_vgg, tiny_model, painting, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(vgg.ARCHITECTURES, "vgg16", vgg.ARCHITECTURES["vgg19"])
    monkeypatch.setattr(peers, "SIDE", 32)
    rng = np.random.default_rng(0)
    images.write(rng.uniform(size=(24, 32, 3)), tmp_path / "photo.png")
    run_program(
        peers,
        f"--content={tmp_path}",
        f"--saved_models={tiny_model.parents[1]}",
        f"tiny:{painting}",
    )
    out = capsys.readouterr().out
    assert out.startswith("1 photos\n\n| model | content | public |")
    name, content, _, style, _, photo_style, _, _ = out.splitlines()[-1].strip("|").split("|")
    assert name.strip() == "tiny"
    assert min(map(float, (content, style, photo_style))) > 0


@pytest.mark.parametrize("arguments", [[], ["great-wave"], ["a:b:c"]])
def test_an_argument_that_is_no_pair_is_refused(run_program, arguments):
    with pytest.raises(app.UsageError, match="give MODEL:PAINTING"):
        run_program(peers, "--content=photos", *arguments)
