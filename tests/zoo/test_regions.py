import numpy as np
import pytest
from PIL import Image

from zoo.errors import UserError
from zoo.images import ImageError
from zoo.regions import check_match, read_regions, resize_region

SKY, SEA, SAND = "#2080ff", "#000000", "#ffe0b3"


def draw(colours, height=12, width=20):
    """A map of vertical stripes, as uint8 [H, W, 3]."""
    colours = np.uint8([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in colours])
    stripes = np.arange(width) * len(colours) // width
    return np.broadcast_to(colours[stripes], (height, width, 3)).copy()


def save(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


def many(count):
    """`count` colours that differ by one level."""
    return [f"#8000{level:02x}" for level in range(count)]


# --- Reading


def test_every_colour_is_a_region_of_zeros_and_ones(tmp_path):
    regions = read_regions(save(tmp_path / "map.png", draw([SKY, SEA, SAND, SKY])), (12, 20))
    assert list(regions) == [SEA, SKY, SAND]
    expected = np.zeros((3, 12, 20), np.float32)
    expected[1, :, :5] = expected[0, :, 5:10] = expected[2, :, 10:15] = expected[1, :, 15:] = 1
    for mask, wanted in zip(regions.values(), expected, strict=True):
        assert mask.dtype == np.float32
        np.testing.assert_array_equal(mask, wanted)


def test_all_levels_of_all_channels_are_told_exactly(tmp_path):
    levels = np.arange(256)
    colours = [f"#{level:02x}{255 - level:02x}{level ^ 85:02x}" for level in levels]
    for first in range(0, 256, 8):
        path = save(tmp_path / "map.png", draw(colours[first : first + 8], 1, 8))
        assert sorted(read_regions(path, (1, 8))) == sorted(colours[first : first + 8])


@pytest.mark.parametrize(
    ("name", "options"), [("map.gif", {}), ("map.bmp", {}), ("map.webp", {"lossless": True})]
)
def test_lossless_formats_agree_with_png(tmp_path, name, options):
    pixels = draw([SKY, SEA, SAND])
    from_png = read_regions(save(tmp_path / "map.png", pixels), (12, 20))
    regions = read_regions(save(tmp_path / name, pixels, **options), (12, 20))
    assert list(regions) == list(from_png)
    np.testing.assert_array_equal(list(regions.values()), list(from_png.values()))


def test_a_grey_map_and_one_of_a_single_colour_are_maps_too(tmp_path):
    grey = save(tmp_path / "grey.png", np.uint8([[0, 255, 128, 255]]))
    assert list(read_regions(grey, (1, 4))) == ["#000000", "#808080", "#ffffff"]
    whole = read_regions(save(tmp_path / "whole.png", draw([SKY])), (12, 20))
    assert list(whole) == [SKY]
    assert whole[SKY].all()


def test_transparency_counts_as_white(tmp_path):
    pixels = np.dstack([draw([SKY, SEA]), np.full((12, 20), 255, np.uint8)])
    pixels[:4, :, 3] = 0
    regions = read_regions(save(tmp_path / "map.png", pixels), (12, 20))
    assert list(regions) == [SEA, SKY, "#ffffff"]
    assert regions["#ffffff"][:4].all()
    assert not regions["#ffffff"][4:].any()


def test_a_map_of_another_size_is_refused_with_both_sizes(tmp_path):
    path = save(tmp_path / "map.png", draw([SKY, SEA]))
    for size in [(12, 21), (20, 12)]:
        with pytest.raises(UserError, match=rf"map.png: .*20 x 12 .* {size[1]} x {size[0]};"):
            read_regions(path, size)


def test_eight_colours_are_read_and_nine_refused_by_name_and_number(tmp_path):
    path = save(tmp_path / "map.png", draw(many(8)))
    assert list(read_regions(path, (12, 20))) == many(8)
    save(path, draw(many(9)))
    with pytest.raises(UserError, match=r"map.png: 9 colours, .* at most 8; "):
        read_regions(path, (12, 20))


def test_a_map_that_jpeg_has_blurred_is_refused_with_the_cure(tmp_path):
    path = save(tmp_path / "map.jpg", draw([SKY, SEA, SAND], 64, 100), quality=90)
    with pytest.raises(UserError, match=r"map.jpg: \d+ colours, .*JPEG.* PNG"):
        read_regions(path, (64, 100))


def test_a_file_that_is_no_picture_is_refused_by_name(tmp_path):
    (tmp_path / "map.png").write_text("sky above, sea below")
    with pytest.raises(ImageError, match=r"map.png: not a picture"):
        read_regions(tmp_path / "map.png", (12, 20))


# --- Pairing


def test_every_region_of_the_photo_needs_one_in_the_style():
    mask = np.ones((2, 2), np.float32)
    photo, style = {SKY: mask, SEA: mask, SAND: mask}, {SEA: mask}
    with pytest.raises(UserError) as refusal:
        check_match(photo, style, "photo_map.png", "style_map.png")
    wanted = f"style_map.png: no region of colour {SKY}, {SAND}, which photo_map.png has; "
    assert str(refusal.value) == f"{wanted}the colours here are {SEA}"


def test_regions_that_only_the_style_has_are_fine():
    mask = np.ones((2, 2), np.float32)
    check_match({SEA: mask}, {SKY: mask, SEA: mask}, "photo_map.png", "style_map.png")


# --- Scaling


@pytest.fixture
def regions():
    """The masks of five regions in patches, float32 [5, 60, 84]."""
    labels = np.random.default_rng(0).integers(0, 5, (10, 12)).repeat(6, 0).repeat(7, 1)
    return np.float32(labels == np.arange(5)[:, None, None])


@pytest.mark.parametrize("ratio", [(1, 1), (2, 2), (4, 3), (12, 6), (60, 84)])
def test_integer_ratios_give_the_means_of_blocks(regions, ratio):
    down, across = ratio
    size = (60 // down, 84 // across)
    for mask in regions:
        means = mask.reshape(size[0], down, size[1], across).mean((1, 3))
        result = resize_region(mask, size)
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, means, atol=1e-6)
        np.testing.assert_allclose(result.mean(), mask.mean(), atol=1e-6)


@pytest.mark.parametrize("size", [(59, 83), (41, 29), (31, 50), (13, 11), (7, 5), (1, 2)])
def test_at_any_ratio_masks_stay_in_range_and_sum_to_one(regions, size):
    results = np.stack([resize_region(mask, size) for mask in regions])
    assert results.shape == (5, *size)
    assert results.min() >= 0
    assert results.max() <= 1
    np.testing.assert_allclose(results.sum(0), 1, atol=1e-6)
    np.testing.assert_array_equal(resize_region(np.ones((60, 84), np.float32), size), 1)


def test_a_region_stays_where_it_is():
    mask = np.zeros((100, 100), np.float32)
    mask[:37, 63:] = 1
    result = resize_region(mask, (30, 30))
    assert result[:11, 19:].all()
    assert not result[12:].any()
    assert not result[:, :18].any()
    np.testing.assert_allclose(result.mean(), mask.mean(), atol=0.01)


def test_enlarging_repeats_pixels(regions):
    small = regions[0, ::6, ::7]
    np.testing.assert_array_equal(resize_region(small, (60, 84)), regions[0])
