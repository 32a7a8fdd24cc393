"""The size that an encoded picture declares, read in a TensorFlow graph without decoding it."""

import tensorflow as tf

_HEADER_BYTES = 32


def declared_size(contents):
    """Height and width in a file's header.

    Args:
        contents: string scalar: a whole JPEG, PNG, GIF, BMP or WebP file.

    Returns:
        int64 [2]. The graph answers INVALID_ARGUMENT to any other format.
    """
    padded = tf.strings.join([tf.strings.substr(contents, 0, _HEADER_BYTES), "\0" * _HEADER_BYTES])
    header = tf.strings.substr(padded, 0, _HEADER_BYTES)

    def starts_with(magic, offset=0):
        return tf.equal(tf.strings.substr(header, offset, len(magic)), magic)

    formats = [
        (starts_with(b"\xff\xd8\xff"), lambda: _jpeg(contents)),
        # Decoders take a PNG whose first chunk is another one, and tells another size.
        (starts_with(b"\x89PNG") & starts_with(b"IHDR", 12), lambda: _png(header)),
        (starts_with(b"GIF8"), lambda: _gif(header)),
        (starts_with(b"BM"), lambda: _bmp(header)),
        (starts_with(b"RIFF") & starts_with(b"WEBP", 8), lambda: _webp(header)),
    ]
    known_format = tf.debugging.Assert(
        tf.reduce_any([known for known, _ in formats]),
        ["image_bytes must be a JPEG, PNG, GIF, BMP or WebP file"],
    )
    with tf.control_dependencies([known_format]):
        return tf.identity(tf.case(formats, default=lambda: tf.zeros([2], tf.int64)))


def _bytes(header, offset, count):
    return tf.cast(tf.io.decode_raw(tf.strings.substr(header, offset, count), tf.uint8), tf.int64)


def _little_endian(header, offset, count):
    return tf.reduce_sum(_bytes(header, offset, count) * [256**i for i in range(count)])


def _big_endian(header, offset):
    return tf.reduce_sum(_bytes(header, offset, 4) * [256**i for i in (3, 2, 1, 0)])


def _jpeg(contents):
    return tf.cast(tf.image.extract_jpeg_shape(contents)[:2], tf.int64)


def _png(header):
    return tf.stack([_big_endian(header, 20), _big_endian(header, 16)])


def _gif(header):
    return tf.stack([_little_endian(header, 8, 2), _little_endian(header, 6, 2)])


def _bmp(header):
    width, height = (_little_endian(header, offset, 4) for offset in (18, 22))
    # A height above 2^31 is a negative one: the rows come from the top down.
    return tf.stack([tf.minimum(height, 2**32 - height), width])


def _webp(header):
    chunk = tf.strings.substr(header, 12, 4)

    def extended():
        return tf.stack([1 + _little_endian(header, 27, 3), 1 + _little_endian(header, 24, 3)])

    def lossless():
        sizes = _little_endian(header, 21, 4)
        return tf.stack([1 + sizes // 2**14 % 2**14, 1 + sizes % 2**14])

    def lossy():
        return tf.stack([_little_endian(header, 28, 2), _little_endian(header, 26, 2)]) % 2**14

    return tf.case(
        [(tf.equal(chunk, b"VP8X"), extended), (tf.equal(chunk, b"VP8L"), lossless)],
        default=lossy,
    )
