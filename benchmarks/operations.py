"""How much a network computes."""

import contextlib
import io


def gigaflops(network, height, width):
    """Multiplications and additions for one image of height x width pixels, in 10^9.

    As TensorFlow counts them, which leaves out what only moves pixels.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    specification = tf.TensorSpec((1, height, width, 3), tf.float32)
    function = tf.function(lambda image: network(image, training=False))
    frozen = convert_variables_to_constants_v2(function.get_concrete_function(specification))
    profiler = tf.compat.v1.profiler
    options = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation())
    with contextlib.redirect_stdout(io.StringIO()):
        count = profiler.profile(frozen.graph, options=options.with_empty_output().build())
    return count.total_float_ops / 1e9
