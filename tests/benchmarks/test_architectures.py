import re
from functools import partial

import numpy as np
import pytest
import skimage.data
from PIL import Image

from benchmarks import architectures
from benchmarks.operations import gigaflops
from trainers import timing
from zoo import vgg
from zoo.architectures import NETWORKS
from zoo.errors import UserError
from zoo.images import Picture
from zoo.networks import StyleNetwork


@pytest.fixture
def flags(tmp_path, photo, painting, small_vgg, shallow_networks, monkeypatch):
    """The program's, for two steps of thin networks; only PyTorch's network is not thin."""
    monkeypatch.setitem(vgg.ARCHITECTURES, "vgg16", vgg.ARCHITECTURES["vgg19"])
    monkeypatch.setattr(architectures, "SIDES", (32, 40))
    monkeypatch.setattr(architectures, "RATIO_SIDE", 40)
    monkeypatch.setattr(architectures, "reference", FakeReference)
    monkeypatch.setattr(
        architectures,
        "alternating_seconds",
        partial(timing.alternating_seconds, blocks=1, calls=1),
    )
    held_out = tmp_path / "held_out.png"
    Image.fromarray(skimage.data.astronaut()[:200, :220]).save(held_out)
    return [
        *(f"--style_image={painting}", f"--content={photo}", f"--held_out={held_out}"),
        *("--held_out_size=200", f"--output={tmp_path / 'runs'}", "--width=0.1", "--steps=2"),
        *("--image_size=40", "--style_size=40", "--dtype_policy=float32"),
        *("--style_layers=relu1_2,relu2_2", "--loss_network_preprocessing=torch"),
    ]


class FakeReference:
    """In the place of PyTorch's network."""

    def __enter__(self):
        return lambda picture: picture

    def __exit__(self, *_):
        pass


def rows(table):
    """{first cell: the other cells} of a Markdown table below its head."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len({len(line) for line in cells}) == 1
    return {line[0]: dict(zip(cells[0][1:], line[1:], strict=True)) for line in cells[2:]}


def test_each_network_has_its_row_and_nothing_is_done_twice(
    run_program, flags, tmp_path, capsys, monkeypatch
):
    run_program(architectures, *flags, "--networks=eighth_inverted")
    out = capsys.readouterr().out
    assert "eighth_inverted: 2 steps done" in out
    table = rows(out)
    assert list(table) == [architectures.REFERENCE, "eighth_inverted"]
    row = table["eighth_inverted"]
    terms = [float(row[term]) for term in ("content", "style", "tv")]
    assert all(term > 0 for term in terms)
    assert float(row["total"]) > terms[0]
    assert re.fullmatch(r"\d+\.\d", row["times faster at 40"])
    run = tmp_path / "runs" / "eighth_inverted"
    assert (run / "exported" / "mixed-bfloat16" / "2").is_dir()

    monkeypatch.setattr(architectures, "export", None)
    run_program(architectures, *flags, "--networks=eighth_inverted")
    out = capsys.readouterr().out
    assert "eighth_inverted: all 2 steps are done already" in out
    again = rows(out)["eighth_inverted"]
    measures = ("parameters", "GFLOPs", "content", "style", "tv", "total", "grid", "border")
    assert [again[measure] for measure in measures] == [row[measure] for measure in measures]


def test_an_unknown_network_is_refused_before_any_training(run_program, flags):
    with pytest.raises(UserError, match="no network cubist; johnson2016, "):
        run_program(architectures, *flags, "--networks=quarter64,cubist")


def test_operations_are_those_of_the_convolutions_and_little_else():
    network = StyleNetwork(**NETWORKS["johnson2016"])
    trunk = sum(2 * 9 * 128**2 * ((512 + 80) // 4 - 2 * i) ** 2 for i in range(1, 11))
    stem = 2 * 592**2 * (81 * 3 * 32 + 9 * 32 * 64 / 4 + 9 * 64 * 128 / 16)
    head = 2 * (9 * 128 * 64 * 256**2 + (9 * 64 * 32 + 81 * 32 * 3) * 512**2)
    assert gigaflops(network, 512, 512) == pytest.approx((stem + trunk + head) / 1e9, rel=0.01)


def test_artefacts_are_of_what_the_model_makes_of_photos():
    rng = np.random.default_rng(0)
    photos = [Picture(rng.uniform(size=(200, 200, 3))) for _ in range(2)]

    def gridded(picture):
        line = (np.arange(picture.rgb.shape[0]) % 4 == 0)[:, None, None]
        return Picture((picture.rgb + line) / 2)

    grid, border = architectures.artefacts(gridded, photos)
    assert grid > 20
    assert border == pytest.approx(1)
    plain, _ = architectures.artefacts(lambda picture: picture, photos)
    assert plain < 3


def test_pytorchs_network_has_johnsons_parameters_and_answers_from_its_process():
    pytest.importorskip("torch", reason="needs the extra bench")
    from benchmarks.fast_neural_style import transformer_network

    ours = StyleNetwork(**NETWORKS["johnson2016"])
    biases = 32 + 64 + 128 + 10 * 128 + 64 + 32  # which its norms take away
    theirs = sum(weight.numel() for weight in transformer_network().parameters())
    assert theirs == ours.count_params() + biases
    with architectures.reference() as transform:
        picture = Picture(np.zeros((32, 32, 3), np.float32))
        assert transform(picture) is None
        assert transform(picture) is None
