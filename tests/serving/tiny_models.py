"""Tiny SavedModels to serve: pure functions, a few kilobytes each. See conftest.py."""

import json

import tensorflow as tf

from zoo.signatures import signatures

MOST_PIXELS = 2**17  # of the zoo's guards; tiles need some
FLOATS = tf.TensorSpec([None], "float32", name="x")


def save(path, **signatures):
    module = tf.Module()
    module.functions = signatures
    tf.saved_model.save(module, str(path), signatures=signatures)


def save_plus(path, constant):
    """The answer tells which version gave it."""
    save(path, serving_default=tf.function(lambda x: {"y": x + constant}, input_signature=[FLOATS]))


def save_pair(path):
    three = tf.constant(3.0)

    @tf.function(input_signature=[tf.TensorSpec([None, 3], name="a"), tf.TensorSpec([], name="b")])
    def scale(a, b=three):
        return {"scaled": a * b, "sum": tf.reduce_sum(a) + b}

    @tf.function(input_signature=[FLOATS, tf.TensorSpec([None], name="w")])
    def dot(x, w):
        return {"product": x * w, "text": tf.strings.as_string(x)}

    save(path, serving_default=dot, scaled=scale)


def save_guarded(path):
    @tf.function(input_signature=[tf.TensorSpec(None, name="x")])
    def guard(x):
        return {"y": tf.ensure_shape(x, [None, 3])}

    save(path, serving_default=guard)


def save_counter(path):
    """Answers how often it was called."""
    module = tf.Module()
    module.calls = tf.Variable(0.0)

    @tf.function(input_signature=[FLOATS])
    def count(x):
        return {"y": x * 0.0 + module.calls.assign_add(1.0)}

    module.count = count
    tf.saved_model.save(module, str(path), signatures={"serving_default": count})


def save_slow(path):
    """Takes as many seconds as it is told."""

    @tf.function(input_signature=[FLOATS])
    def slow(x):
        end = tf.timestamp() + tf.cast(x[0], tf.float64)
        while tf.timestamp() < end:
            pass
        return {"y": x}

    save(path, serving_default=slow)


def save_negative(path):
    """The zoo's signatures with its guards, around a network of one operation."""
    about = {
        **{"name": "negative", "version": 1, "kind": "style", "factor": 1, "styles": None},
        **{"max_pixels": MOST_PIXELS, "receptive_field": None},
    }
    network = signatures(lambda images, training: 1 - images, MOST_PIXELS, about=json.dumps(about))
    save(path, **network)


def write(folder):
    """Write NAME/VERSION of each model into `folder`."""
    save_plus(folder / "plus/1", 1.0)
    save_plus(folder / "plus/2", 2.0)
    save_pair(folder / "pair/1")
    save_guarded(folder / "guarded/1")
    save_counter(folder / "counter/1")
    save_slow(folder / "slow/1")
    save_negative(folder / "negative/1")
