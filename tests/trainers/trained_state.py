import keras

from trainers import checkpoints
from zoo import runs


def trained_state(run):
    """Network weights and the number of optimiser steps, of a run's last checkpoint."""
    _, path = runs.latest_checkpoint(run)
    network = keras.saving.load_model(path / runs.NETWORK)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, 1))
    optimizer.build(network.trainable_variables)
    checkpoints.restore(path, network, optimizer)
    return network.get_weights(), int(optimizer.iterations)
