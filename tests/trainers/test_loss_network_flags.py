import pytest
from absl import flags

import trainers  # noqa: F401  (imports Keras quietly)
from trainers import loss_network_flags

NAMES = [f"loss_network{what}" for what in ("", "_weights", "_preprocessing", "_pooling")]


@pytest.fixture
def values():
    """Defines the flags, gives their values for some arguments, and takes them away afterwards."""

    def parse(arguments=(), **defaults):
        loss_network_flags.define(**defaults)
        flags.FLAGS(["program", *arguments])
        parsed = flags.FLAGS.flag_values_dict()
        return [parsed[name] for name in NAMES if name in parsed]

    yield parse
    for name in NAMES:
        if name in flags.FLAGS:
            delattr(flags.FLAGS, name)


def test_defaults_are_johnsons_network(values):
    assert values() == ["vgg16", "imagenet", "caffe", "max"]


def test_a_program_has_defaults_of_its_own(values):
    defaults = {"loss_network": "vgg19", "preprocessing": "torch", "pooling": "average"}
    assert values(**defaults) == ["vgg19", "imagenet", "torch", "average"]


def test_a_program_may_have_no_pooling(values):
    assert values(has_pooling=False) == ["vgg16", "imagenet", "caffe"]
    with pytest.raises(flags.UnrecognizedFlagError, match="loss_network_pooling"):
        flags.FLAGS(["program", "--loss_network_pooling=max"])


@pytest.mark.parametrize("name", ["loss_network", "loss_network_preprocessing", NAMES[-1]])
def test_unknown_values_are_refused(values, name):
    with pytest.raises(flags.IllegalFlagValueError, match=f"--{name}=other: .*should be one of"):
        values([f"--{name}=other"])


def test_the_flags_are_the_calling_modules_so_that_its_help_shows_them(values):
    values()
    shown = [flag.name for flag in flags.FLAGS.get_key_flags_for_module(__name__)]
    assert shown == NAMES
