import json
import subprocess
import sys

import numpy as np
import pytest

from zoo import images
from zoo.errors import UserError
from zoo.images import Picture
from zoo.tflite import metadata
from zoo.tflite.parity import psnr
from zoo.tflite.runtime import LiteRTModel


def test_any_size_goes_through_a_file_for_any(converted, photos):
    model = LiteRTModel(converted["float32-dynamic"].path)
    for height, width in ((70, 91), (64, 64)):
        alpha = np.full((height, width), 0.5, np.float32)
        picture = model(Picture(photos[0][:height, :width], alpha))
        assert picture.rgb.shape == (height, width, 3)
        np.testing.assert_array_equal(picture.alpha, alpha)


def test_an_image_that_is_too_small_is_refused(converted, photos):
    model = LiteRTModel(converted["float32-dynamic"].path)
    with pytest.raises(UserError, match=r"an image of 20x30 does not go through .* pixels or more"):
        model(Picture(photos[0][:30, :20]))
    assert model(Picture(photos[0][:70, :70])).rgb.shape == (70, 70, 3)


def test_other_sizes_go_through_a_file_for_one_in_tiles(converted, photos):
    model = LiteRTModel(converted["int8-96"].path)
    exact = Picture(photos[0][:96, :96])
    assert psnr(model(exact).rgb, model.transform(exact.rgb)) > 100
    assert model(Picture(photos[0][:150, :200])).rgb.shape == (150, 200, 3)
    assert model(Picture(photos[0][:40, :200])).rgb.shape == (40, 200, 3)


def test_what_is_no_such_file_is_refused(tmp_path, converted):
    with pytest.raises(UserError, match=r"nothing\.tflite cannot be read: No such file"):
        LiteRTModel(tmp_path / "nothing.tflite")
    other = tmp_path / "other.tflite"
    other.write_bytes(b"no flatbuffer")
    with pytest.raises(UserError, match="is no TFLite file"):
        LiteRTModel(other)
    other.write_bytes(converted["int8-96"].path.read_bytes()[:5000])
    with pytest.raises(UserError, match=r"is damaged|cannot be loaded"):
        LiteRTModel(other)


def test_running_a_file_imports_no_tensorflow(converted):
    code = (
        "import sys; from zoo.tflite.runtime import LiteRTModel;"
        f"LiteRTModel({str(converted['int8-96'].path)!r});"
        "assert not {'tensorflow', 'keras'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_programs_take_a_file(converted, photos, tmp_path):
    images.write(photos[0][:80, :120], tmp_path / "cat.png")
    path = converted["float16-dynamic"].path
    command = [sys.executable, "-m", "zoo.apply", f"--model={path}", f"--output={tmp_path}/out.png"]
    result = subprocess.run(
        [*command, f"{tmp_path}/cat.png"], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert images.read(tmp_path / "out.png").rgb.shape == (80, 120, 3)
    told = subprocess.run(
        [sys.executable, "-m", "zoo.catalog", f"--model={path}"], capture_output=True, check=True
    )
    assert json.loads(told.stdout) == metadata.read(path)


def test_styles_are_chosen_by_name(tmp_path, photos):
    import keras

    from zoo.tflite.convert import convert

    image = keras.Input((None, None, 3), name="image")
    weights = keras.Input((2,), name="style_weights")
    share = keras.layers.Reshape((1, 1, 2))(weights)[..., :1]
    network = keras.Model([image, weights], image * share)
    about = {"kind": "style", "factor": 1, "styles": ["same", "black"]}
    path = tmp_path / "several.tflite"
    path.write_bytes(metadata.with_metadata(convert(network, (16, 16)), about))
    images.write(photos[0][:16, :16], tmp_path / "cat.png")
    command = [sys.executable, "-m", "zoo.apply", f"--model={path}", f"--output={tmp_path}/out.png"]
    cat = images.read(tmp_path / "cat.png").rgb
    for style, factor in (("black", 0), ("same:1,black:3", 0.25)):
        subprocess.run([*command, f"--style={style}", f"{tmp_path}/cat.png"], check=True)
        np.testing.assert_allclose(images.read(tmp_path / "out.png").rgb, factor * cat, atol=0.003)
    with pytest.raises(UserError, match="has styles, give a weight for each: same, black"):
        LiteRTModel(path)(Picture(cat))
