"""Videos, frame by frame; the sound goes along as it is. It needs PyAV: the extra `video`."""

import contextlib
from pathlib import Path

import numpy as np
from tqdm import tqdm

from zoo.any_size import whole
from zoo.errors import UserError
from zoo.images import Picture, appearing

# By suffix, the container as FFmpeg calls it.
FORMATS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
}
_QUALITY = "18"  # of H.264, where 0 is lossless; 18 looks so
_BT709 = 1  # its number as matrix, primaries and curve


def is_video(path):
    """Whether a file's name is a video's."""
    return Path(path).suffix.lower() in FORMATS


def transform_video(transform, source, destination):
    """Transform a video's frames into another video, with its sound and at its times.

    Args:
        transform: from a `zoo.images.Picture` to a `zoo.striped.StripedPicture`.
        source: path of the video.
        destination: path to write to, .mp4, .m4v, .mov or .mkv: H.264. It appears when it is
            complete. The last row or column of an odd size is left out.

    Raises:
        UserError: it cannot be read or written, or there is no PyAV.
    """
    av = _import_av()
    format = FORMATS.get(Path(destination).suffix.lower())
    if format not in ("mp4", "mov", "matroska"):
        raise UserError(f"{destination}: cannot write this kind of video: name it .mp4 or .mkv")
    with appearing(destination) as file, _told(av, source), av.open(str(source)) as reading:
        if not reading.streams.video:
            raise UserError(f"{source}: there is no video in it")
        with av.open(file, "w", format=format) as writing:
            _copy(av, transform, reading, writing)


def _copy(av, transform, reading, writing):
    pictures = reading.streams.video[0]
    pictures.thread_type = "AUTO"
    # Streams are added before the first packet is written, and a picture's size is known after it
    # is transformed.
    sounds = {s: writing.add_stream_from_template(s) for s in reading.streams.audio}
    encoder = writing.add_stream("libx264", rate=pictures.average_rate, options={"crf": _QUALITY})
    encoder.pix_fmt = "yuv420p"
    encoder.codec_context.time_base = pictures.time_base
    for name in ("colorspace", "color_primaries", "color_trc"):
        setattr(encoder.codec_context, name, _BT709)
    waiting = []  # sound that comes before the first picture
    with tqdm(total=pictures.frames or None, unit="frame") as bar:
        for packet in reading.demux(pictures, *sounds):
            if packet.stream is not pictures:
                if packet.dts is not None:  # not the one that ends the stream
                    packet.stream = sounds[packet.stream]
                    waiting.append(packet)
            else:
                for frame in packet.decode():
                    made = _encodable(av, transform, frame)
                    if not bar.n:
                        encoder.width, encoder.height = made.width, made.height
                    writing.mux(encoder.encode(made))
                    bar.update()
            if bar.n:
                writing.mux(waiting)
                waiting = []
        if not bar.n:
            raise UserError("there is no picture in it")
        writing.mux(encoder.encode(None))


def _encodable(av, transform, frame):
    """The frame of the result, at the time of the frame that it is made of."""
    pixels = frame.to_ndarray(format="rgb24")
    if frame.rotation:  # as phones store what they took upright
        pixels = np.rot90(pixels, frame.rotation // 90)
    result = whole(transform(Picture(pixels.astype(np.float32) / 255))).over_white()
    height, width = (side // 2 * 2 for side in result.shape[:2])
    levels = np.rint(result[:height, :width] * 255).astype(np.uint8)
    made = av.VideoFrame.from_ndarray(np.ascontiguousarray(levels), format="rgb24")
    made = made.reformat(format="yuv420p", dst_colorspace="ITU709")
    made.pts, made.time_base = frame.pts, frame.time_base
    return made


def _import_av():
    try:
        import av
    except ImportError as error:
        raise UserError("videos need PyAV: pip install '.[video]'") from error
    av.logging.set_level(None)  # its errors come as exceptions
    return av


@contextlib.contextmanager
def _told(av, source):
    try:
        yield
    except av.FFmpegError as error:
        raise UserError(f"{source}: {error.strerror or error}") from error
