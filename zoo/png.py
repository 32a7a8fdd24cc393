"""PNG files written strip by strip, so that pictures may be larger than memory."""

import struct
import zlib

import numpy as np

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels: grey, with alpha, RGB, with alpha
_PAETH = 4
_ROWS = 64  # filtered at a time; differences take twice and four times the memory of pixels
_LEVEL = 4  # of zlib: twice as fast as 6, and 2 % larger


class PngEncoder:
    """Encodes rows from the top of a picture to its bottom.

    Args:
        file: binary file to write to.
        size: (height, width) in pixels.
        channels: 1 to 4: grey or RGB, with or without alpha, which is not premultiplied.
        depth: 8 or 16 bits a channel.
        icc: ICC profile, bytes; empty: none.
        exif: EXIF, bytes; empty: none.
    """

    def __init__(self, file, size, channels, depth=8, icc=b"", exif=b""):
        self._file = file
        self._dtype = np.dtype(f">u{depth // 8}")
        self._pixel = channels * depth // 8  # bytes
        self._above = np.zeros(size[1] * self._pixel, np.uint8)
        self._deflate = zlib.compressobj(_LEVEL)
        file.write(b"\x89PNG\r\n\x1a\n")
        height, width = size
        colour_type = _COLOUR_TYPES[channels]
        self._chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))
        if icc:
            self._chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))
        if exif:
            self._chunk(b"eXIf", exif)

    def write(self, rows):
        """Add rows [h, W, channels] of float in 0..1; they are rounded."""
        for i in range(0, len(rows), _ROWS):
            some = np.rint(rows[i : i + _ROWS] * float(256**self._dtype.itemsize - 1))
            pixels = some.astype(self._dtype).reshape(len(some), -1).view(np.uint8)
            if data := self._deflate.compress(self._filtered(pixels)):
                self._chunk(b"IDAT", data)

    def close(self):
        """Write the file's end; the file stays open."""
        self._chunk(b"IDAT", self._deflate.flush())
        self._chunk(b"IEND", b"")

    def _filtered(self, pixels):
        """Each row less what Paeth's filter predicts of it, the filter's number before it."""
        before = np.vstack([self._above, pixels[:-1]])
        self._above = pixels[-1]
        left, corner = (
            np.pad(a, ((0, 0), (self._pixel, 0)))[:, : -self._pixel] for a in (pixels, before)
        )
        a, b, c = (values.astype(np.int16) for values in (left, before, corner))
        to_left, to_above, to_corner = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
        nearest_left = (to_left <= to_above) & (to_left <= to_corner)
        predicted = np.where(nearest_left, left, np.where(to_above <= to_corner, before, corner))
        numbers = np.full((len(pixels), 1), _PAETH, np.uint8)
        return np.hstack([numbers, pixels - predicted]).tobytes()

    def _chunk(self, name, content):
        self._file.write(struct.pack(">I", len(content)) + name + content)
        self._file.write(struct.pack(">I", zlib.crc32(name + content)))
