import keras
import numpy as np
import pytest
import tensorflow as tf

from trainers.critic import LAYERS, Critic


@pytest.fixture
def critic(tiny_loss_network):
    keras.utils.set_random_seed(0)
    return Critic(tiny_loss_network)


@pytest.fixture
def features(tiny_loss_network, crops):
    """Of crops with a pattern that repeats, and of the crops."""
    hatched = crops + 0.1 * np.tile([1, -1, 1, -1], 8)[:, None].astype(np.float32)
    model = tiny_loss_network.features(LAYERS)
    return model(hatched), model(crops)


def gradients(critic, features, which):
    """(the loss, {of: its gradient by what}) of one of the critic's losses."""
    made, originals = features
    with tf.GradientTape() as tape:
        tape.watch(made)
        loss = critic.losses(made, originals)[which]
    return loss, *tape.gradient(loss, (made, critic.trainable_variables))


def test_it_learns_to_tell_made_images_from_originals(critic, features):
    optimizer = keras.optimizers.Adam(1e-2)
    first = [float(loss) for loss in critic.losses(*features)]
    for _ in range(60):
        _, _, gradient = gradients(critic, features, 0)
        optimizer.apply(gradient, critic.trainable_variables)
    last = [float(loss) for loss in critic.losses(*features)]
    assert last[0] < 0.6 * first[0]
    assert last[1] < first[1] - 0.3  # the made ones' mean score


def test_its_own_loss_does_not_move_what_was_made(critic, features):
    _, by_made, by_weights = gradients(critic, features, 0)
    assert all(gradient is None for gradient in by_made.values())
    assert all(np.abs(gradient).max() > 0 for gradient in by_weights)


def test_of_the_score_the_critic_lowers_what_the_made_images_raise(critic, features):
    made, originals = features
    score, by_made, by_weights = gradients(critic, features, 1)
    changed = {layer: made[layer] - 0.1 * by_made[layer] for layer in LAYERS}
    assert float(critic.losses(changed, originals)[1]) > float(score)
    for variable, gradient in zip(critic.trainable_variables, by_weights, strict=True):
        variable.assign_sub(0.01 * gradient)
    assert float(critic.losses(made, originals)[1]) < float(score)
