"""Where content images come from: files, or a TensorFlow Datasets builder, by random access.

A source has `len()`, `read(index, short_side)`, which gives float32 RGB [H, W, 3] in [0, 1] or
raises `zoo.images.ImageError`, and `name(index)` for messages.
"""

import re
from pathlib import Path

import numpy as np

from zoo import images
from zoo.errors import UserError


class FileSource:
    """Image files on disk.

    Args:
        paths: files, directories (searched through) and globs.

    Raises:
        UserError: nothing was found.
    """

    def __init__(self, paths):
        self.paths = images.find(paths)
        if not self.paths:
            raise UserError(f"no image files in {', '.join(map(str, paths))}")

    def __len__(self):
        return len(self.paths)

    def name(self, index):
        """The file's path."""
        return str(self.paths[index])

    def read(self, index, short_side):
        """Decode one file; at a reduced scale where that leaves `short_side` pixels or more."""
        return images.read(self.paths[index], short_side=short_side).rgb


class TfdsSource:
    """One split of a TensorFlow Datasets builder that has an `image` feature.

    Builders whose files allow random access (array_record) are read in place. From others, and
    from folder builders, the split is passed over once and its images stay in memory, encoded
    as they are.

    Args:
        builder: a `tfds.core.DatasetBuilder`, prepared.
        split: for instance "train" or "train[:10%]".

    Raises:
        UserError: there is no such split, or no `image` feature.
    """

    def __init__(self, builder, split):
        import tensorflow_datasets as tfds

        features = builder.info.features
        if features is None or "image" not in features:
            raise UserError(f"dataset {builder.name} has no feature 'image': {features}")
        self._name = f"{builder.name}[{split}]"
        encoded = {  # masks and depth too: nobody looks at them
            name: tfds.decode.SkipDecoding()
            for name, feature in features.items()
            if isinstance(feature, tfds.features.Image)
        }
        try:
            if builder.info.file_format in tfds.core.FileFormat.with_random_access():
                self._examples = builder.as_data_source(split, decoders=encoded)
            else:
                examples = builder.as_dataset(split, decoders=encoded)
                self._examples = [{"image": e["image"]} for e in tfds.as_numpy(examples)]
        except ValueError as error:
            raise UserError(f"dataset {builder.name}, split {split!r}: {error}") from error

    def __len__(self):
        return len(self._examples)

    def name(self, index):
        """The dataset, split and index."""
        return f"{self._name} #{index}"

    def read(self, index, short_side):
        """Decode one example."""
        image = self._examples[index]["image"]
        encoded = image if isinstance(image, (bytes, np.ndarray)) else bytes(image)
        return images.read(encoded, short_side=short_side).rgb


def open_source(content):
    """The source that a flag names: a directory, a glob, or `tfds:NAME[:SPLIT]` (split "train").

    NAME is what `tfds.builder` takes ("coco/2017:1.1.0") or the directory of a prepared dataset;
    a dataset that is not prepared yet is downloaded.

    Raises:
        UserError: nothing is there, or the dataset has no `image`.
    """
    if not content.startswith("tfds:"):
        return FileSource([content])
    # A split begins with a letter, a version with a digit.
    name, split = re.fullmatch(r"(.+?)(?::([A-Za-z].*))?", content.removeprefix("tfds:")).groups()
    return TfdsSource(_builder(name), split or "train")


def _builder(name):
    import tensorflow_datasets as tfds

    try:
        if Path(name).is_dir():
            return tfds.builder_from_directory(name)
        builder = tfds.builder(name)
        builder.download_and_prepare()
    except Exception as error:  # unknown names, versions, downloads: each has its own kind
        reason = str(error).partition("\n")[0]  # a list of every known dataset may follow
        raise UserError(
            f"cannot open TensorFlow dataset {name!r}: {reason}\n"
            "Give a name that tfds.builder takes, or the directory of a prepared dataset, which "
            "holds dataset_info.json; a directory of image files needs no 'tfds:'."
        ) from error
    return builder
