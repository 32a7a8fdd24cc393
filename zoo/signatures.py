"""The functions that a SavedModel serves: a network behind guards.

TensorFlow Serving checks no shape, and some wrong ones abort its process; so each function
refuses, as INVALID_ARGUMENT, what the network cannot take or the server could not hold. The
guards are control dependencies: without, TensorFlow may run the network beside them.
"""

import tensorflow as tf

from zoo.gif import first_frame
from zoo.image_headers import declared_size
from zoo.normalization import shared_statistics

# Files of a call. Their PNGs, 3 bytes a pixel at most, stay within a message's 2 GiB.
MAX_FILES = 32
# No network here pads an image by more pixels on each side.
_BORDER = 48
_SHARES_TOLERANCE = 1e-3  # of the sum of style weights


def signatures(network, max_pixels, factor=1, about="{}"):
    """The endpoints of a network, as {name: tf.function}; each returns a dict.

    | name | input | output |
    | --- | --- | --- |
    | serving_default | image: float32 [N, H, W, 3], clipped to [0, 1] | image: float32, [0, 1] |
    | encoded | image_bytes: string [N], JPEG, PNG, GIF, BMP or WebP | image_bytes: PNG |
    | tile | tile, thumbnail: float32 [N, h, w, 3] | image: float32, as tile |
    | about | request: string [N], anything | model_json: string [N] |

    Those with images of a network of several styles take style_weights besides, float32 [N, S];
    rows are not negative and sum to 1.

    `tile` is for images of more pixels than fit: each tile is normalised as the whole image's
    thumbnail is (see `zoo.normalization.shared_statistics`), so that tiles go together; either one
    thumbnail for each, or one for all, in the style of the first. Networks that enlarge have none:
    their tiles need nothing (see `zoo.receptive_field`).

    Each image of `encoded` may have a size of its own; transparency and EXIF orientation are
    the caller's. A WebP with transparency or animation is refused. N may be 0; of files, it is
    `MAX_FILES` at most.

    Args:
        network: a `keras.Model` from [N, H, W, 3] in [0, 1] to images in [0, 1]; where its
            attribute `styles` is a number, it takes so many style weights too.
        max_pixels: a call with more pixels in `image`, or in any one file, is refused, or in what
            the network makes of it; a file is refused before it is decoded. With the border that
            networks pad, it may be twice as many, so that thin and tiny images are no way around.
        factor: of super-resolution.
        about: what the endpoint of this name answers, for each request alike.
    """
    max_pixels //= factor**2  # of the input
    styles = getattr(network, "styles", None)
    style_specs = []
    if styles is not None:
        style_specs = [tf.TensorSpec([None, styles], tf.float32, name="style_weights")]

    def checked(images, name):
        """The images in [0, 1], once the guards have let them pass."""
        images = tf.ensure_shape(images, [None, None, None, 3])
        shape = tf.shape(images, tf.int64)
        guards = [
            tf.debugging.assert_positive(shape[1:3], f"{name} must have one pixel or more"),
            *_assert_pixels(shape[0], shape[1:3], max_pixels, name),
        ]
        with tf.control_dependencies(guards):
            # On all cores; tf.debugging.assert_all_finite takes one, and four times as long.
            finite = tf.reduce_all(tf.math.is_finite(images))
        message = f"{name} must have no NaN or infinity"
        with tf.control_dependencies([tf.debugging.Assert(finite, [message])]):
            return tf.clip_by_value(images, 0.0, 1.0)

    @tf.function(input_signature=[_images("image"), *style_specs])
    def serving_default(image, *style_weights):
        image = checked(image, "image")
        inputs = (image, *(_shares(each, image, styles) for each in style_weights))
        # One image is the common case, and a batch of one that TensorFlow knows of is faster: it
        # fuses each norm with what follows, and needs no loop over the batch.
        one = tf.shape(image)[0] == 1
        output = tf.cond(one, lambda: transform_one(*inputs), lambda: transform_any(*inputs))
        return {"image": output}

    def transform(*inputs):
        return network(inputs[0] if len(inputs) == 1 else list(inputs), training=False)

    def transform_one(*inputs):
        return transform(*(tf.ensure_shape(each, [1, *each.shape[1:]]) for each in inputs))

    def transform_any(*inputs):
        count = tf.shape(inputs[0])[0]
        # An empty batch goes through the network as one image.
        missing = [0, tf.maximum(1 - count, 0)]
        padded = (tf.pad(each, [missing, *[[0, 0]] * (len(each.shape) - 1)]) for each in inputs)
        return transform(*padded)[:count]

    def transform_file(arguments):
        contents, *style_weights = arguments
        is_gif = tf.strings.substr(contents, 0, 4) == b"GIF8"
        contents = tf.cond(is_gif, lambda: first_frame(contents), lambda: contents)
        with tf.control_dependencies(_assert_pixels(1, declared_size(contents), max_pixels)):
            contents = tf.identity(contents)
        # Never channels=0: on an animated WebP, TensorFlow 2.21 then writes beyond its buffer.
        pixels = tf.io.decode_image(contents, channels=3, expand_animations=False)
        pixels = tf.ensure_shape(pixels, [None, None, 3])
        image = tf.cast(pixels, tf.float32) / 255.0
        image = transform_one(*(each[None] for each in (image, *style_weights)))[0]
        return tf.io.encode_png(tf.cast(tf.round(255.0 * image), tf.uint8))

    @tf.function(input_signature=[_strings("image_bytes"), *style_specs])
    def encoded(image_bytes, *style_weights):
        image_bytes = tf.ensure_shape(image_bytes, [None])
        message = f"image_bytes must have no more than {MAX_FILES} files"
        few = tf.debugging.Assert(tf.size(image_bytes) <= MAX_FILES, [message])
        with tf.control_dependencies([few]):
            image_bytes = tf.identity(image_bytes)
        files = tf.map_fn(
            transform_file,
            (image_bytes, *(_shares(each, image_bytes, styles) for each in style_weights)),
            fn_output_signature=tf.string,
            parallel_iterations=1,  # one image in memory at a time
        )
        return {"image_bytes": files}

    @tf.function(input_signature=[_images("tile"), _images("thumbnail"), *style_specs])
    def tile(tile, thumbnail, *style_weights):
        tile, thumbnail = checked(tile, "tile"), checked(thumbnail, "thumbnail")
        tiles, thumbnails = tf.shape(tile)[0], tf.shape(thumbnail)[0]
        fits = (tiles > 0) & ((thumbnails == 1) | (thumbnails == tiles))
        message = "there must be one tile or more, and one thumbnail or as many as tiles"
        with tf.control_dependencies([tf.debugging.Assert(fits, [message])]):
            thumbnail = tf.identity(thumbnail)
        style_weights = [_shares(each, tile, styles) for each in style_weights]
        with shared_statistics():
            transform(thumbnail, *(each[:thumbnails] for each in style_weights))
            return {"image": transform(tile, *style_weights)}

    # It takes something because servers that batch want a batch.
    @tf.function(input_signature=[_strings("request")])
    def tell(request):
        return {"model_json": tf.fill(tf.shape(tf.ensure_shape(request, [None])), about)}

    endpoints = {"serving_default": serving_default, "encoded": encoded, "about": tell}
    return endpoints | {"tile": tile} if factor == 1 else endpoints


def _images(name):
    return tf.TensorSpec([None, None, None, 3], tf.float32, name=name)


def _strings(name):
    return tf.TensorSpec([None], tf.string, name=name)


def _assert_pixels(count, size, max_pixels, name="image"):
    """Assertions on a number of images of size (height, width)."""
    # In floats, whose products do not wrap. Of no image a network still gets one.
    count = tf.maximum(tf.cast(count, tf.float64), 1.0)
    size = tf.cast(size, tf.float64)
    bordered = max(2 * max_pixels, 2**20)
    limits = [
        (size, max_pixels, ""),
        (size + 2 * _BORDER, bordered, f" with {_BORDER} more on every side"),
    ]
    return [
        tf.debugging.Assert(
            count * tf.reduce_prod(sides) <= limit,
            [f"{name} must have no more than {limit} pixels{counted}"],
        )
        for sides, limit, counted in limits
    ]


def _shares(style_weights, images, styles):
    """Style weights [N, styles] for a batch of N, refused where they are not shares."""
    style_weights = tf.ensure_shape(style_weights, [None, styles])
    sums = tf.reduce_sum(style_weights, axis=1)
    # Rows are counted one by one, for Grappler of TensorFlow 2.21 takes their number for 1.
    same = tf.size(tf.where(sums >= 0)) == tf.shape(images)[0]
    shares = tf.reduce_all(style_weights >= 0) & tf.reduce_all(tf.abs(sums - 1) < _SHARES_TOLERANCE)
    guards = [
        tf.debugging.Assert(same, ["style_weights must have a row for each image"]),
        tf.debugging.Assert(shares, ["style_weights must not be negative, and rows must sum to 1"]),
    ]
    with tf.control_dependencies(guards):
        return tf.identity(style_weights)
