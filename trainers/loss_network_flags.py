"""The flags that choose a loss network, alike in every program that has one."""

from absl import flags

from zoo.vgg import ARCHITECTURES, POOLINGS, PREPROCESSINGS

flags.disclaim_key_flags()  # they are the calling program's, whose --help shows them


def define(loss_network="vgg16", preprocessing="caffe", pooling="max", has_pooling=True):
    """Define --loss_network, --loss_network_weights, --loss_network_preprocessing, ..._pooling.

    Args:
        loss_network: default of the first, a name of `zoo.vgg.ARCHITECTURES`.
        preprocessing: default of the third, one of `zoo.vgg.PREPROCESSINGS`.
        pooling: default of the last, one of `zoo.vgg.POOLINGS`.
        has_pooling: whether there is the last.
    """
    flags.DEFINE_enum("loss_network", loss_network, list(ARCHITECTURES), "Architecture of the VGG.")
    flags.DEFINE_string(
        "loss_network_weights",
        "imagenet",
        "'imagenet' (keras.applications downloads them once) or a Keras weight file without top.",
    )
    flags.DEFINE_enum(
        "loss_network_preprocessing",
        preprocessing,
        list(PREPROCESSINGS),
        "What the weights were trained with: caffe ('imagenet') or torch (from torchvision).",
    )
    if has_pooling:
        flags.DEFINE_enum(
            "loss_network_pooling",
            pooling,
            list(POOLINGS),
            "Between the VGG's blocks: max, which the weights were trained with, or average, "
            "which Gatys 2016 preferred.",
        )
