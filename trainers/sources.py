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
        as_encoded = {"image": tfds.decode.SkipDecoding()}
        try:
            self._examples = self._random_access(builder, split, as_encoded)
        except ValueError as error:
            raise UserError(f"dataset {builder.name}, split {split!r}: {error}") from error

    @staticmethod
    def _random_access(builder, split, decoders):
        import tensorflow_datasets as tfds

        try:
            return builder.as_data_source(split, decoders=decoders)
        except (NotImplementedError, AttributeError):
            examples = builder.as_dataset(split, decoders=decoders)
            return [{"image": example["image"]} for example in tfds.as_numpy(examples)]

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
    name, split = content.removeprefix("tfds:"), "train"
    head, _, tail = name.rpartition(":")
    if head and not re.fullmatch(r"\d+\.\d+\.\d+", tail):  # a version belongs to the name
        name, split = head, tail
    return TfdsSource(_builder(name), split)


def _builder(name):
    import tensorflow_datasets as tfds

    try:
        if Path(name).is_dir():
            return tfds.builder_from_directory(name)
        builder = tfds.builder(name)
        builder.download_and_prepare()
    except Exception as error:  # unknown names, versions, downloads: each has its own kind
        raise UserError(f"cannot open TensorFlow dataset {name!r}: {error}") from error
    return builder
