"""Checkpoints of a training run: network, optimiser and step, written whole or not at all."""

import os
import shutil

import numpy as np

from zoo import runs

KEPT = 2


def save(run, step, network, optimizer, critic=None):
    """Write a checkpoint beside its final name, rename it, and drop all but the newest two.

    Args:
        run: the run's directory.
        step: training steps done.
        network: the `keras.Model` that is trained.
        optimizer: its built `keras.optimizers.Optimizer`.
        critic: a layer that is trained with it, or None.
    """
    final = runs.checkpoint_path(run, step)
    partial = final.with_name(f"partial-{final.name}")
    for stale in (*final.parent.glob("partial-*"), final):  # a start may have been killed here
        shutil.rmtree(stale, ignore_errors=True)
    partial.mkdir(parents=True)
    network.save(partial / runs.NETWORK)
    variables = {}
    optimizer.save_own_variables(variables)
    np.savez(partial / "optimizer.npz", **variables)
    if critic:
        np.savez(partial / "critic.npz", *critic.get_weights())
    os.replace(partial, final)
    for old in runs.checkpoint_steps(run)[:-KEPT]:
        shutil.rmtree(runs.checkpoint_path(run, old))


def restore(path, network, optimizer, critic=None):
    """Read a checkpoint into a `network` of the same shape, its built `optimizer` and `critic`."""
    network.load_weights(path / runs.NETWORK)
    with np.load(path / "optimizer.npz") as variables:
        optimizer.load_own_variables(dict(variables))
    if critic:
        with np.load(path / "critic.npz") as weights:
            critic.set_weights(list(weights.values()))
