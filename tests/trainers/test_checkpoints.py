import keras
import numpy as np
import pytest

from trainers import checkpoints
from zoo import runs


def small_network():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(1)])


def built_adam(network):
    optimizer = keras.optimizers.Adam(0.1)
    optimizer.build(network.trainable_variables)
    return optimizer


@pytest.fixture
def trained():
    """A network and the optimiser that took three steps on it."""
    network = small_network()
    optimizer = built_adam(network)
    for step in range(3):
        gradients = [np.full(v.shape, step + 1.0, "float32") for v in network.trainable_variables]
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
    return network, optimizer


def values(variables):
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def test_a_checkpoint_brings_back_network_moments_and_iteration(trained, tmp_path):
    network, optimizer = trained
    checkpoints.save(tmp_path, 3, network, optimizer)
    fresh = small_network()
    fresh_optimizer = built_adam(fresh)
    step, path = runs.latest_checkpoint(tmp_path)
    checkpoints.restore(path, fresh, fresh_optimizer)
    assert step == 3
    assert int(fresh_optimizer.iterations) == 3
    for restored, saved in ((fresh, network), (fresh_optimizer, optimizer)):
        assert len(values(saved.variables)) > 3
        for a, b in zip(values(restored.variables), values(saved.variables), strict=True):
            np.testing.assert_array_equal(a, b)
    assert any(np.abs(moment).max() > 0 for moment in values(fresh_optimizer.variables[2:]))


def test_the_network_of_a_checkpoint_opens_by_keras_alone(trained, tmp_path):
    checkpoints.save(tmp_path, 3, *trained)
    opened = keras.saving.load_model(runs.checkpoint_path(tmp_path, 3) / runs.NETWORK)
    inputs = np.arange(8, dtype="float32").reshape(2, 4)
    np.testing.assert_array_equal(opened(inputs), trained[0](inputs))


def test_the_newest_two_are_kept(trained, tmp_path):
    for step in (100, 200, 300, 1000):
        checkpoints.save(tmp_path, step, *trained)
    assert runs.checkpoint_steps(tmp_path) == [300, 1000]
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


def test_what_a_killed_start_left_half_written_is_ignored_and_cleaned(trained, tmp_path):
    checkpoints.save(tmp_path, 100, *trained)
    for step in ("00000200", "00000150"):
        partial = tmp_path / "checkpoints" / f"partial-step-{step}"
        partial.mkdir()
        (partial / runs.NETWORK).write_bytes(b"half a fi")
    assert runs.latest_checkpoint(tmp_path)[0] == 100
    checkpoints.save(tmp_path, 200, *trained)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "step-00000100",
        "step-00000200",
    ]
    checkpoints.restore(runs.checkpoint_path(tmp_path, 200), *trained)


def test_a_checkpoint_of_the_same_step_is_replaced(trained, tmp_path):
    network, optimizer = trained
    checkpoints.save(tmp_path, 100, network, optimizer)
    network.layers[0].kernel.assign(np.ones((4, 3)))
    checkpoints.save(tmp_path, 100, network, optimizer)
    restored = small_network()
    checkpoints.restore(runs.checkpoint_path(tmp_path, 100), restored, built_adam(restored))
    assert (values([restored.layers[0].kernel])[0] == 1).all()
