import pytest

from zoo import catalog, images
from zoo.card import card, write_card
from zoo.errors import UserError
from zoo.export import export
from zoo.model_json import describe

ABOUT = {
    "painting": "The Starry Night",
    "artist": "Vincent van Gogh",
    "year": "1889",
    "source": "a museum's scan",
    "training_data": "200 photos",
    "machine": "a machine",
    "license": "Apache-2.0",
}


def test_a_card_tells_the_painting_the_faults_and_the_command_that_made_it(tiny_run):
    text = card(describe(tiny_run, "tiny", 2, "float32", 100, ABOUT), "Too blue.\n")
    for expected in (*ABOUT.values(), "Too blue.", "| 200 | 800 | 3 |", "content 7.4337"):
        assert expected in text
    assert "    --style_image=starry_night.jpg \\\n" in text
    assert "--content_layers=relu2_2 " in text
    assert "--style_weight" not in text
    assert "| style_weight 3.25 |" in text
    assert f"python -m zoo.export --run=runs/{tiny_run.name} --name=tiny --version=2" in text


def test_a_card_of_several_styles_names_them_and_needs_no_painting(painters_run):
    about = {key: ABOUT[key] for key in ("training_data", "machine", "license")}
    text = card(describe(painters_run, "painters", 1, "float32", 100, about), "None.")
    assert "of 2 paintings, mixed by `style_weights`: starry-night, the-wave, photo." in text
    assert "| painting |" not in text
    assert "--style_image=starry_night.jpg,The Wave.png" in text


def test_a_card_of_one_style_of_several_tells_how_to_export_it(painters_run):
    description = describe(painters_run, "wave", 1, "float32", 100, ABOUT, style="the-wave")
    text = card(description, "None.")
    assert f"zoo.export --run=runs/{painters_run.name} --style=the-wave --name=wave" in text
    assert "after *The Starry Night* by Vincent van Gogh, 1889." in text


def test_a_card_is_refused_when_the_model_does_not_tell_enough(tiny_run):
    with pytest.raises(UserError, match="card needs"):
        card(describe(tiny_run, "tiny", 1, "float32", 100, {}), "None.")


def test_the_card_and_its_pictures_lie_beside_the_versions(tiny_model, tmp_path):
    directory = tmp_path / "tiny"
    directory.mkdir()
    (directory / "1").symlink_to(tiny_model)
    found = catalog.find("tiny", tmp_path)
    description = {**found.description, **ABOUT}
    model = catalog.Model("tiny", 1, directory / "1", description)
    write_card(model, "None.")
    assert "None." in (directory / "README.md").read_text()
    assert images.read(directory / "pictures.jpg").rgb.shape[1] > 3 * 320


def test_the_pictures_of_several_styles_show_one_photo_in_each(painters_run, tmp_path):
    export(painters_run, "painters", 1, tmp_path, about=ABOUT)
    write_card(catalog.find("painters", tmp_path), "None.")
    height, width, _ = images.read(tmp_path / "painters" / "pictures.jpg").rgb.shape
    assert width > 4 * 336  # the photo, two styles, the photo's own
    assert height < 2 * 224
