"""The SavedModels that the conformance cases are asked of: pure arithmetic, a few kilobytes each.

The answers hold only for models with these names, signatures, aliases and constants:

half_plus_two/1, /2   x float32 [N] -> y = x/2 + 2, or x/2 + 3 in version 2
pair/1                a, b float32 [N, 3] -> sum, diff; signature total: a -> total, a scalar
image/1               image float32 [N, H, W, 3] -> 1 - image; signature encoded: image_bytes,
                      files in, PNG files of the inverted pictures out
echo_bytes/1          text string [N] -> text; signature bytes: data_bytes -> data_bytes
types/1               for each dtype a signature named after it: x [N] -> y, the same
examples/1            signatures classify and regress over serialised tf.train.Examples

TensorFlow Serving does not look at shapes: only `tf.ensure_shape` makes a model refuse one.
"""

import tensorflow as tf

NUMBERS = ("float16", "bfloat16", "float32", "float64", "bool")
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")

ROWS = ("float32", [None, 3])
STRINGS = ("string", [None])


def signature(compute, **inputs):
    """`compute` as a signature; inputs: alias=(dtype, shape)."""
    specs = [tf.TensorSpec(shape, dtype, name=alias) for alias, (dtype, shape) in inputs.items()]
    return tf.function(compute, input_signature=specs)


def half_plus(constant):
    return {
        "serving_default": signature(lambda x: {"y": x / 2 + constant}, x=("float32", [None])),
    }


def pair():
    return {
        "serving_default": signature(lambda a, b: {"sum": a + b, "diff": a - b}, a=ROWS, b=ROWS),
        "total": signature(lambda a: {"total": tf.reduce_sum(a)}, a=ROWS),
    }


def inverted_file(contents):
    pixels = tf.io.decode_image(contents, channels=3, expand_animations=False)
    return tf.io.encode_png(255 - tf.ensure_shape(pixels, [None, None, 3]))


def image():
    def pixels(image):
        return {"image": 1.0 - tf.ensure_shape(image, [None, None, None, 3])}

    def files(image_bytes):
        outputs = tf.map_fn(inverted_file, image_bytes, fn_output_signature=tf.string)
        return {"image_bytes": outputs}

    return {
        "serving_default": signature(pixels, image=("float32", [None, None, None, 3])),
        "encoded": signature(files, image_bytes=STRINGS),
    }


def echo_bytes():
    def data(data_bytes):
        return {"data_bytes": tf.identity(data_bytes)}

    return {
        "serving_default": signature(lambda text: {"text": tf.identity(text)}, text=STRINGS),
        "bytes": signature(data, data_bytes=STRINGS),
    }


def types():
    return {
        dtype: signature(lambda x: {"y": tf.identity(x)}, x=(dtype, [None]))
        for dtype in (*NUMBERS, *INTEGERS)
    }


def feature(inputs, size):
    return tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature([size], tf.float32)})["x"]


def examples():
    def classify(inputs):
        classes = tf.tile(tf.constant([["cat", "dog"]]), [tf.shape(inputs)[0], 1])
        return {"scores": feature(inputs, 2), "classes": classes}

    def regress(inputs):
        return {"outputs": 2 * feature(inputs, 1)}

    return {
        "classify": signature(classify, inputs=STRINGS),
        "regress": signature(regress, inputs=STRINGS),
    }


def write(folder):
    """Write NAME/VERSION of every model into `folder`, a `pathlib.Path`."""
    models = {
        "half_plus_two/1": half_plus(2.0),
        "half_plus_two/2": half_plus(3.0),
        "pair/1": pair(),
        "image/1": image(),
        "echo_bytes/1": echo_bytes(),
        "types/1": types(),
        "examples/1": examples(),
    }
    for path, signatures in models.items():
        tf.saved_model.save(tf.Module(), str(folder / path), signatures=signatures)
