"""The functions that a SavedModel serves: a network behind guards.

TensorFlow Serving checks no shape, and some wrong ones abort its process; so each function
refuses, as INVALID_ARGUMENT, what the network cannot take or the server could not hold.
"""

import tensorflow as tf

from zoo.image_headers import declared_pixels

MAX_PIXELS = 4096 * 4096


def signatures(network, max_pixels=MAX_PIXELS):
    """The endpoints of a network, as {name: tf.function}; each returns a dict.

    | name | input | output |
    | --- | --- | --- |
    | serving_default | image: float32 [N, H, W, 3], clipped to [0, 1] | image: float32, [0, 1] |
    | encoded | image_bytes: string [N], JPEG, PNG, GIF, BMP or WebP | image_bytes: PNG |

    Each image of `encoded` may have a size of its own; transparency and EXIF orientation are
    the caller's. N may be 0.

    Args:
        network: a `keras.Model` from [N, H, W, 3] in [0, 1] to images in [0, 1].
        max_pixels: a call with more pixels in `image`, or in any one file, is refused; a file is
            refused before it is decoded.
    """

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32, name="image")])
    def serving_default(image):
        image = tf.ensure_shape(image, [None, None, None, 3])
        shape = tf.shape(image, tf.int64)
        tf.debugging.assert_positive(shape[1:3], "image must have one pixel or more")
        _assert_pixels(tf.reduce_prod(shape[:3]), max_pixels)
        tf.debugging.assert_all_finite(image, "image must have no NaN or infinity")
        return {"image": network(tf.clip_by_value(image, 0.0, 1.0), training=False)}

    def transform_file(contents):
        _assert_pixels(declared_pixels(contents), max_pixels)
        pixels = tf.io.decode_image(contents, channels=3, expand_animations=False)
        pixels = tf.ensure_shape(pixels, [None, None, 3])
        image = network(tf.cast(pixels, tf.float32)[None] / 255.0, training=False)[0]
        return tf.io.encode_png(tf.cast(tf.round(255.0 * image), tf.uint8))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def encoded(image_bytes):
        image_bytes = tf.ensure_shape(image_bytes, [None])
        files = tf.map_fn(transform_file, image_bytes, fn_output_signature=tf.string)
        return {"image_bytes": files}

    return {"serving_default": serving_default, "encoded": encoded}


def _assert_pixels(count, max_pixels):
    tf.debugging.assert_less_equal(
        count,
        tf.constant(max_pixels, tf.int64),
        f"image must have no more than {max_pixels} pixels",
    )
