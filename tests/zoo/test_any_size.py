import numpy as np
import pytest

from zoo import any_size, bicubic, images, memory
from zoo.any_size import Transformation, whole
from zoo.errors import UserError
from zoo.images import Origin, Picture


class Style:
    """Subtracts the image's mean, as norms do, from the mean of the 3 x 3 around."""

    name, factor, receptive_field, has_tile, max_pixels = "style", 1, None, True, 4096**2

    def __init__(self):
        self.calls = []

    def image(self, image):
        return self.tile(image, image)

    def tile(self, tile, thumbnail):
        self.calls.append(tile.shape[:2])
        rows = np.pad(tile, ((1, 1), (1, 1), (0, 0)), "reflect")
        columns = rows[:-2] + rows[1:-1] + rows[2:]
        blurred = (columns[:, :-2] + columns[:, 1:-1] + columns[:, 2:]) / 9
        return 0.5 + (blurred - thumbnail.mean((0, 1))) / 4


class SuperResolution(Style):
    """Bicubic."""

    name, factor, receptive_field, has_tile = "sr", 4, 2, False

    def image(self, image):
        self.calls.append(image.shape[:2])
        assert image.shape[2] == 3
        return bicubic.rescale(image, 4)


@pytest.fixture
def picture(photo):
    return Picture(np.tile(photo, (3, 4, 1))[:600, :1000].astype(np.float32) / 255)


def with_alpha(picture):
    alpha = np.linspace(0, 1, picture.rgb.shape[1], dtype=np.float32)
    return Picture(picture.rgb, np.tile(alpha, (len(picture.rgb), 1)))


def test_a_picture_that_memory_does_for_is_transformed_whole(picture):
    model = Style()
    whole(Transformation(model)(picture))
    assert model.calls == [(600, 1000)]


def test_with_less_memory_tiles_are_smaller(picture, monkeypatch):
    sides = []
    for available in (4e8, 2e8):
        monkeypatch.setattr(memory, "available", lambda available=available: available)
        model = Style()
        result = whole(Transformation(model)(picture))
        assert result.rgb.shape == (600, 1000, 3)
        sides.append(max(max(size) for size in model.calls))
        assert any_size._BYTES_PER_PIXEL * sides[-1] ** 2 <= available / 2
    assert 288 <= sides[1] < sides[0] < 1000
    monkeypatch.setattr(memory, "available", lambda: 1e8)
    with pytest.raises(UserError, match=r"0\.2 GB of memory are needed and 0\.1 are free"):
        Transformation(Style())(picture)


def test_in_tiles_a_style_is_as_whole_and_without_seams(picture):
    untiled = whole(Transformation(Style(), "off")(picture)).rgb
    model = Style()
    result = Transformation(model, 320)(picture)
    strips = list(result.strips)
    assert len(strips) == 6
    assert max(max(size) for size in model.calls) <= 320
    tiled = np.concatenate(strips)
    # The mosaic's mean is a bit off, the same everywhere.
    assert np.ptp(tiled - untiled, axis=(0, 1)).max() < 1e-5
    assert np.abs(tiled - untiled).max() < 0.01


def test_in_tiles_super_resolution_is_as_whole(picture):
    part = with_alpha(Picture(picture.rgb[:150, :170]))
    untiled = Transformation(SuperResolution(), "off")(part)
    tiled = Transformation(SuperResolution(), 40)(part)
    assert tiled.size == untiled.size == (600, 680)
    assert tiled.channels == 4
    strips = list(tiled.strips)
    assert len(strips) > 3
    np.testing.assert_allclose(np.concatenate(strips), next(iter(untiled.strips)), atol=1e-5)


def test_grey_stays_grey_and_16_bits_stay(photo):
    levels = photo[:20, :30, 0].astype(np.uint16) * 257
    picture = images.read(levels)
    grey = Picture(picture.rgb, None, Origin(grey=True, depth=16))
    result = Transformation(SuperResolution())(grey)
    assert (result.channels, result.origin.depth) == (1, 16)
    assert next(iter(result.strips)).shape == (80, 120, 1)
    assert Transformation(Style())(grey).channels == 3


def test_hidden_colours_do_not_bleed_into_a_cut_out():
    rgb = np.zeros((20, 20, 3), np.float32)
    alpha = np.zeros((20, 20), np.float32)
    rgb[5:15, 5:15], alpha[5:15, 5:15] = (1, 0.5, 0), 1
    enlarged = whole(Transformation(SuperResolution())(Picture(rgb, alpha)))
    seen = enlarged.alpha > 0.01
    np.testing.assert_allclose(enlarged.rgb[seen], np.tile((1, 0.5, 0), (seen.sum(), 1)), atol=0.01)
    assert 0.3 < enlarged.alpha[40, 18:22].mean() < 0.7


@pytest.mark.parametrize("outscale", [3, 2.5, 5, 0.5])
def test_any_scale_is_reached(picture, outscale):
    part = Picture(picture.rgb[:41, :50])
    result = Transformation(SuperResolution(), 30, outscale=outscale)(part)
    assert result.size == (round(41 * outscale), round(50 * outscale))
    expected = bicubic.resize(bicubic.rescale(part.rgb, 4), result.size)
    np.testing.assert_allclose(whole(result).rgb, expected, atol=1e-5)


@pytest.mark.parametrize("tile", ["off", 320])
def test_colours_are_the_pictures_and_the_luminance_the_models(picture, tile):
    from zoo.colors import keep_luminance

    translucent = with_alpha(picture)
    stylized = whole(Transformation(Style(), tile)(picture)).rgb
    result = whole(Transformation(Style(), tile, preserve_color=True)(translucent))
    np.testing.assert_allclose(result.rgb, keep_luminance(stylized, picture.rgb), atol=1e-6)
    np.testing.assert_array_equal(result.alpha, translucent.alpha)


def test_options_that_do_not_go_with_a_model_are_refused():
    with pytest.raises(UserError, match="leave out --preserve_color"):
        Transformation(SuperResolution(), preserve_color=True)
    with pytest.raises(UserError, match="leave out --outscale"):
        Transformation(Style(), outscale=3)


def test_tiles_that_a_model_cannot_do_are_refused(picture):
    with pytest.raises(UserError, match="--tile=100 is too small for this model: 288 or more"):
        Transformation(Style(), 100)(picture)
    old = Style()
    old.has_tile = False
    with pytest.raises(UserError, match="export the model again, or leave out --tile"):
        Transformation(old, 320)(picture)


def test_a_model_without_tiles_gets_the_picture_whole(picture, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 4e8)
    old = Style()
    old.has_tile = False
    whole(Transformation(old)(picture))
    assert old.calls == [(600, 1000)]


def test_no_call_has_more_pixels_than_the_model_takes(picture):
    for small, limit in ((Style(), 400**2), (SuperResolution(), 600**2)):
        small.max_pixels = limit
        result = whole(Transformation(small)(picture))
        assert result.rgb.shape[:2] == (600 * small.factor, 1000 * small.factor)
        assert max(height * width for height, width in small.calls) * small.factor**2 <= limit
