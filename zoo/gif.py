"""A GIF cut down to its first frame, in a TensorFlow graph.

TensorFlow decodes every frame of a GIF before it drops all but one, at frame sizes that the
header need not tell: without the cut, 2 MB of file took 2 GB of memory and a minute.
"""

import tensorflow as tf

_HEADER_BYTES = 13
_DESCRIPTOR_BYTES = 10  # of a frame: 0x2C, left, top, width, height (two bytes each), flags
_EXTENSION, _FRAME = 0x21, 0x2C
# A loop's steps are bounded, whatever the bytes are. Blocks hold up to 255 bytes.
_FRAME_BLOCKS = 2**17
_EXTENSIONS, _EXTENSION_BLOCKS = 2**6, 2**10


def first_frame(contents):
    """A still GIF of the first frame, whose header declares that frame's size.

    Args:
        contents: string scalar: a GIF file.

    Returns:
        String scalar. The graph answers INVALID_ARGUMENT where no frame is found.
    """
    data = tf.io.decode_raw(contents, tf.uint8)
    length = tf.size(data)

    def byte(offset):
        return tf.cast(data[tf.minimum(offset, length - 1)], tf.int32)

    def table_bytes(flags):
        has_table = flags // 128
        return has_table * 3 * tf.bitwise.left_shift(2, flags % 8)

    def skip_blocks(offset, most):
        """The offset behind blocks that begin with their length, up to one of length 0."""

        def another(offset, size):
            return (size > 0) & (offset < length)

        def skip(offset, size):
            return offset + size + 1, byte(offset + size + 1)

        start = (offset, byte(offset))
        offset, _ = tf.while_loop(another, skip, start, maximum_iterations=most)
        return offset + 1

    with tf.control_dependencies([_assert_frame(length > _HEADER_BYTES)]):
        header_end = _HEADER_BYTES + table_bytes(byte(10))

    def is_extension(offset):
        return (byte(offset) == _EXTENSION) & (offset < length)

    (frame,) = tf.while_loop(
        is_extension,
        lambda offset: (skip_blocks(offset + 2, _EXTENSION_BLOCKS),),
        (header_end,),
        maximum_iterations=_EXTENSIONS,
    )
    pixels = frame + _DESCRIPTOR_BYTES + table_bytes(byte(frame + 9))
    with tf.control_dependencies([_assert_frame((byte(frame) == _FRAME) & (pixels < length))]):
        end = skip_blocks(pixels + 1, _FRAME_BLOCKS)  # behind the first code's size
    size = tf.strings.substr(contents, frame + 5, 4)
    return tf.strings.join(
        [
            tf.strings.substr(contents, 0, 6),
            size,
            tf.strings.substr(contents, 10, header_end - 10),
            b"\x2c\0\0\0\0",
            size,
            tf.strings.substr(contents, frame + 9, tf.minimum(end, length) - frame - 9),
            b";",
        ]
    )


def _assert_frame(found):
    return tf.debugging.Assert(found, ["image_bytes has a GIF file without a frame"])
