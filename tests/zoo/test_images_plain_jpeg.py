import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.zoo.encoded_files import encoded
from zoo import images
from zoo.images import ImageError

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data


@pytest.mark.parametrize(
    "options",
    [{}, {"progressive": True}, {"icc_profile": SRGB}, {"exif": exif(1)}],
    ids=["no options", "progressive", "profile of sRGB", "upright"],
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_that_needs_no_treatment_is_given_as_it_is(photo, mode, options, tmp_path):
    image = Image.fromarray(photo).convert(mode)
    file = encoded(image, "JPEG", **options)
    path = tmp_path / "photo.bin"
    path.write_bytes(file)
    for source in (file, path, str(path)):
        plain = images.plain_jpeg(source)
        assert plain.data == file
        assert plain.size == image.size


def test_what_needs_treatment_is_not_plain(photo):
    image = Image.fromarray(photo)
    whole = encoded(image, "JPEG")
    for file in (
        encoded(image, "JPEG", exif=exif(6)),
        encoded(image.convert("CMYK"), "JPEG"),
        encoded(image, "PNG"),
        encoded(image, "WEBP"),
        whole[: len(whole) // 2],
    ):
        assert images.plain_jpeg(file) is None
    assert images.plain_jpeg(whole, max_pixels=image.width * image.height - 1) is None
    assert images.plain_jpeg(image) is None
    assert images.plain_jpeg(photo) is None


def test_a_profile_that_moves_colours_is_not_plain(photo):
    from tests.zoo.test_images_colours import P3_PRIMARIES, rgb_profile

    profile = rgb_profile(P3_PRIMARIES, 1.8)
    for image in (Image.fromarray(photo), Image.fromarray(photo).convert("L")):
        assert images.plain_jpeg(encoded(image, "JPEG", icc_profile=profile)) is None


def test_tensorflow_reads_a_plain_jpeg_alike_but_for_rounding(photo):
    import tensorflow as tf

    file = encoded(Image.fromarray(photo), "JPEG")
    theirs = tf.io.decode_image(images.plain_jpeg(file).data, channels=3).numpy()
    ours = np.rint(images.read(file).rgb * 255)
    assert np.abs(theirs - ours).mean() < 1.5


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"missing\.jpg.*No such file"):
        images.plain_jpeg(tmp_path / "missing.jpg")
