import numpy as np
import pytest
import tensorflow_datasets as tfds

import trainers  # noqa: F401  (imports Keras quietly)
from trainers.sources import TfdsSource, open_source
from zoo import images
from zoo.errors import UserError


def write_dataset(directory, name, file_format, examples, **features):
    """A prepared dataset `directory`/NAME/1.0.0 of one split, train, in two shards."""
    data_dir = directory / name / "1.0.0"
    data_dir.mkdir(parents=True)
    identity = tfds.core.dataset_info.DatasetIdentity(
        name=name, version=tfds.core.Version("1.0.0"), data_dir=data_dir, module_name=__name__
    )
    info = tfds.core.DatasetInfo(builder=identity, features=tfds.features.FeaturesDict(features))
    writer = tfds.core.SequentialWriter(info, -(-len(examples) // 2), file_format=file_format)
    writer.initialize_splits(["train"])
    writer.add_examples({"train": examples})
    writer.close_all()
    return data_dir


@pytest.fixture(scope="module")
def photos(photo_directory):
    return sorted(photo_directory.iterdir())


@pytest.fixture(scope="module")
def data_dir(photos, tmp_path_factory):
    """Holds the photos as the datasets jpegs_array_record and jpegs_tfrecord, with 16-bit masks."""
    directory = tmp_path_factory.mktemp("tfds")
    mask = np.zeros((2, 2, 1), np.uint16)
    for file_format in ("array_record", "tfrecord"):
        write_dataset(
            directory,
            f"jpegs_{file_format}",
            file_format,
            [{"image": str(photo), "mask": mask} for photo in photos],
            image=tfds.features.Image(encoding_format="jpeg"),
            mask=tfds.features.Image(shape=(None, None, 1), dtype=np.uint16),
        )
    return directory


@pytest.fixture
def found_by_name(data_dir, monkeypatch):
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(data_dir))


def pixels(source):
    return [source.read(index, 60) for index in range(len(source))]


def assert_are_the_photos(source, photos):
    assert len(source) == len(photos)
    for rgb, photo in zip(pixels(source), photos, strict=True):
        np.testing.assert_array_equal(rgb, images.read(photo).rgb)


def test_a_directory_is_searched_through(photos, photo_directory):
    source = open_source(str(photo_directory.parent / photo_directory.name))
    assert_are_the_photos(source, photos)
    assert source.name(3) == str(photos[3])


def test_a_glob_names_some_of_the_photos(photos, photo_directory):
    assert_are_the_photos(open_source(f"{photo_directory}/[0-2].jpg"), photos[:3])


@pytest.mark.parametrize("missing", ["nowhere", "*.tiff"])
def test_content_that_is_not_there_is_named(photo_directory, missing):
    with pytest.raises(UserError, match=missing.replace("*", r"\*")):
        open_source(f"{photo_directory}/{missing}")


@pytest.mark.parametrize("file_format", ["array_record", "tfrecord"])
def test_a_prepared_dataset_gives_the_photos_that_it_was_made_of(data_dir, photos, file_format):
    path = data_dir / f"jpegs_{file_format}" / "1.0.0"
    source = open_source(f"tfds:{path}:train")
    assert_are_the_photos(source, photos)
    assert source.name(3) == f"jpegs_{file_format}[train] #3"
    assert_are_the_photos(open_source(f"tfds:{path}"), photos)  # the split is train if not given


def test_array_records_are_read_in_place(data_dir, photos, monkeypatch):
    builder = tfds.builder_from_directory(data_dir / "jpegs_array_record" / "1.0.0")
    monkeypatch.setattr(builder, "as_dataset", None)  # no pass over the whole split
    source = TfdsSource(builder, "train")
    np.testing.assert_array_equal(source.read(5, 60), images.read(photos[5]).rgb)


def test_a_folder_builder_gives_its_photos(photos, tmp_path):
    for photo in photos:
        link = tmp_path / "train" / f"cat{int(photo.stem) % 2}" / photo.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(photo)
    source = TfdsSource(tfds.folder_dataset.ImageFolder(str(tmp_path)), "train")
    means = sorted(rgb.mean() for rgb in pixels(source))  # the builder shuffles, by a fixed seed
    assert means == sorted(images.read(photo).rgb.mean() for photo in photos)


@pytest.mark.parametrize(
    ("content", "first", "last"),
    [
        ("jpegs_array_record", 0, 8),
        ("jpegs_array_record:1.0.0", 0, 8),
        ("jpegs_array_record:1.*.*:train", 0, 8),
        ("jpegs_array_record:train[:25%]", 0, 2),
        ("jpegs_array_record:1.0.0:train[6:]", 6, 8),
        ("jpegs_tfrecord:1.0.0:train[2:4]+train[4:5]", 2, 5),
    ],
)
@pytest.mark.usefixtures("found_by_name")
def test_a_name_takes_a_version_and_a_slice(photos, content, first, last):
    assert_are_the_photos(open_source(f"tfds:{content}"), photos[first:last])


def test_a_dataset_that_is_not_prepared_yet_is_prepared(photos, tmp_path, monkeypatch):
    class NewPhotos(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("2.0.0")

        def _info(self):
            features = tfds.features.FeaturesDict({"image": tfds.features.Image()})
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, dl_manager):
            return {"validation": self._generate_examples()}

        def _generate_examples(self):
            for photo in photos:
                yield photo.name, {"image": str(photo)}

    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    source = open_source("tfds:new_photos:validation")
    assert sorted(rgb.shape for rgb in pixels(source)) == [(60, 70 + i, 3) for i in range(8)]
    assert (tmp_path / "new_photos" / "2.0.0").is_dir()


@pytest.mark.parametrize("file_format", ["array_record", "tfrecord"])
@pytest.mark.parametrize("split", ["test", "train[:", "train[:0]"])
def test_a_split_that_holds_nothing_is_named(data_dir, file_format, split):
    with pytest.raises(UserError) as failure:
        open_source(f"tfds:{data_dir}/jpegs_{file_format}/1.0.0:{split}")
    assert f"dataset jpegs_{file_format}, split {split!r}" in str(failure.value)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no_such_dataset", "Dataset no_such_dataset not found"),
        ("jpegs_tfrecord:7.0.0", "7.0.0"),
        ("/nowhere/jpegs/1.0.0", "failed"),
    ],
)
@pytest.mark.usefixtures("found_by_name")
def test_an_unknown_dataset_is_named_in_a_few_lines(name, reason):
    with pytest.raises(UserError) as failure:
        open_source(f"tfds:{name}:train")
    text = str(failure.value)
    assert f"cannot open TensorFlow dataset '{name}'" in text
    assert reason in text
    assert "the directory of a prepared dataset" in text
    assert len(text.splitlines()) == 2  # not followed by the names of all datasets


def test_a_directory_of_plain_photos_needs_no_tfds(photo_directory):
    with pytest.raises(UserError, match=r"a directory of image files needs no 'tfds:'"):
        open_source(f"tfds:{photo_directory}")


def test_a_dataset_without_images_says_what_it_has(tmp_path):
    path = write_dataset(
        tmp_path, "words", "tfrecord", [{"text": "a"}, {"text": "b"}], text=tfds.features.Text()
    )
    with pytest.raises(UserError, match=r"(?s)words has no feature 'image'.*text"):
        open_source(f"tfds:{path}")
