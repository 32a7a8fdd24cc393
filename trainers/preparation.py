"""What every optimised image needs before the work begins: a loss network, and checks."""

import keras

from trainers import descent, memory
from trainers.objective import layers_in_use
from zoo.vgg import LossNetwork


def loss_network(settings):
    """The `zoo.vgg.LossNetwork` of `trainers.presets.Settings`, in the arithmetic of their policy.

    The policy becomes Keras' own, for the losses are to be computed under it too.

    Raises:
        UserError: the weights cannot be had or do not fit the architecture.
    """
    keras.config.set_dtype_policy(settings.dtype_policy)
    return LossNetwork(
        settings.loss_network,
        settings.loss_network_weights,
        settings.loss_network_preprocessing,
        settings.loss_network_pooling,
    )


def check(settings, pictures, network):
    """Refuse before the work what would fail in it.

    Args:
        settings: a `trainers.presets.Settings`.
        pictures: a `trainers.pictures.Pictures`.
        network: a `zoo.vgg.LossNetwork`.

    Returns:
        The scales of the run, see `trainers.descent.plan`.

    Raises:
        UserError: a picture is too small for the layers, a layer does not exist, or memory will
            not do.
    """
    scales = descent.plan(settings, pictures, network)
    size = scales[-1].size
    content_layers, style_layers = layers_in_use(settings)
    memory.check(
        network,
        [*content_layers, *style_layers],
        size,
        settings.optimizer,
        settings.dtype_policy,
        painting_sizes=pictures.painting_sizes(settings.style_scale * max(size)),
    )
    return scales
