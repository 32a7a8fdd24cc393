"""What a client does, each thing once: coroutines that a connection of either kind runs."""

import functools

import numpy as np
import PIL.Image

from serving import (
    about,
    batches,
    calls,
    channels,
    errors,
    input_checks,
    picture_calls,
    picture_tiles,
    tensors,
)
from serving.about import About
from serving.caller import Caller
from serving.calls import Metadata, VersionStatus
from serving.models import Choice, Models
from serving.picture_calls import Original
from serving.retries import Deadline, Retries
from serving.transformation import Transformation, check_factor, style_input
from zoo import colors
from zoo.errors import UserError

_POLL_SECONDS = 0.2
# A timeout that the caller does not give grows with the picture: a busy CPU takes as long.
_SECONDS_A_MEGAPIXEL = 20


class Operations:
    """The calls of a model server over a connection; see `serving.client` for the two clients.

    A call that finds the server away or busy is sent again, within its timeout, and nothing else is
    (see `Retries`). Messages may be of any size that gRPC can carry (2 GiB).

    Every method raises a `ZooError` that carries the server's words and says what to do:
    `InvalidRequest`, `UnknownModel`, `VersionGone`, `Overloaded`, `Unavailable`,
    `DeadlineExceeded`, `Cancelled` or `ServerError`.
    """

    _connection_type = None  # of `serving.connections`

    def __init__(
        self,
        target,
        timeout=60,
        credentials=None,
        retries=Retries(),  # noqa: B008  (it cannot be changed)
        parallel=4,
        compression=None,
        options=(),
    ):
        """Name the server; the connection is made with the first call.

        Args:
            target: "host:port", or any other gRPC name such as "unix:/run/zoo.sock"; or a list of
                such addresses of servers with the same models, which take turns.
            timeout: seconds that a call may take unless it says otherwise; calls with pictures get
                20 more for each megapixel of the result.
            credentials: `grpc.ChannelCredentials` for TLS, see `serving.client.tls`; None for plain
                text.
            retries: which failed calls are sent again.
            parallel: requests on the way at once for one large picture or batch.
            compression: of what is sent: None, "gzip" or "deflate". Tensors shrink, image files do
                not.
            options: further (name, value) pairs for gRPC's channels; they come first.

        Raises:
            UserError: no address, or an unknown compression.
        """
        addresses = [target] if isinstance(target, str) else list(target)
        if not addresses:
            raise UserError("no address of a server: give 'host:port', or a list of such")
        if compression not in channels.COMPRESSIONS:
            known = ", ".join(map(repr, channels.COMPRESSIONS))
            raise UserError(f"compression {compression!r} is none of {known}")
        channel = functools.partial(
            channels.open_channel,
            credentials=credentials,
            compression=compression,
            options=tuple(options),
        )
        self._connection = self._connection_type(channel, addresses)
        self._addresses = addresses
        self._caller = Caller(self._connection, addresses, retries)
        self._models = Models(self._connection, self._caller)
        self._transformation = Transformation(self._connection, self._models, parallel)
        self._timeout = timeout
        self._parallel = parallel
        self._row_limits = {}  # by model

    # --- The server ---

    async def wait_ready(self, model, timeout=60) -> None:
        """Wait until the server, or every one of several, is up with some version of the model.

        Args:
            model: the model's name.
            timeout: seconds to wait at most.

        Raises:
            NotReady: it did not happen in time; carries the last state, or error, that was seen.
            ZooError: the server gave an error that waiting does not cure.
        """
        deadline = Deadline(timeout)
        for address in self._addresses:
            await self._wait_ready(address, model, deadline)

    async def _wait_ready(self, address, model, deadline):
        request = calls.status_request(model)
        versions, failure = [], None
        while (left := deadline.left) > 0:
            try:
                response = await self._caller.call_once(
                    calls.STATUS, request, min(left, self._timeout), address
                )
                versions, failure = calls.read_status(response), None
            except (errors.NotFound, errors.Unavailable, errors.DeadlineExceeded) as error:
                # Waiting ends in the middle of a call; what was seen before then tells more.
                if not (isinstance(error, errors.DeadlineExceeded) and (versions or failure)):
                    versions, failure = [], error
            if any(each.state == "AVAILABLE" for each in versions):
                return
            await self._connection.sleep(min(_POLL_SECONDS, max(0, deadline.left)))
        seen = failure.details if failure else ", ".join(map(str, versions))
        raise errors.NotReady(
            f"model {model!r} at {address} is not ready after {deadline.seconds:g} s: "
            f"{seen or 'no version was seen'}\n{(failure or errors.NotReady).advice}",
            model=model,
            versions=versions,
            code=failure and failure.code,
            details=seen,
        ) from failure

    async def reload(self, models_config, timeout=None) -> None:
        """Replace the configuration of the server, or of each of several.

        Models that the new one does not name are unloaded. A new model whose folder holds no
        version makes TensorFlow Serving wait for one, and every later reload behind it, whatever
        the timeout says.

        Args:
            models_config: a ModelServerConfig in protobuf's text form, as models.config holds it;
                or a `pathlib.Path` of such a file.
            timeout: seconds that the call may take; None for the client's.

        Raises:
            UserError: it is no ModelServerConfig, or the file cannot be read.
        """
        request = calls.reload_request(models_config)
        deadline = self._deadline(timeout)
        for address in self._addresses:
            await self._caller.call(calls.RELOAD, request, deadline, address)
        self._models.forget()

    async def status(self, model, timeout=None) -> list[VersionStatus]:
        """Ask how the versions of a model fare.

        Args:
            model: the model's name.
            timeout: seconds that the call may take; None for the client's.

        Returns:
            All versions that the server knows, newest first, failed and unloaded ones included.
        """
        request = calls.status_request(model)
        return calls.read_status(
            await self._caller.call(calls.STATUS, request, self._deadline(timeout))
        )

    # --- A model ---

    async def metadata(self, model, version=None, label=None, timeout=None) -> Metadata:
        """Ask for a model's version and signatures: names, dtypes, shapes of inputs and outputs.

        Args:
            model: the model's name.
            version: number of the version to ask; None for the newest.
            label: label of the version to ask, in place of its number.
            timeout: seconds that the call may take; None for the client's.
        """
        return await self._models.metadata(Choice(model, version, label), self._deadline(timeout))

    async def about(self, model, version=None, label=None, timeout=None) -> About:
        """Ask a model of the zoo what it is: its kind, factor, styles and limits.

        Args:
            model: the model's name.
            version: number of the version to ask; None for the newest.
            label: label of the version to ask, in place of its number.
            timeout: seconds that the call may take; None for the client's.

        Raises:
            InvalidRequest: it is not of the zoo, or older than the signature "about".
        """
        choice, deadline = Choice(model, version, label), self._deadline(timeout)
        known = await self._models.describe(choice, deadline)
        if known.about is None:
            raise errors.InvalidRequest(
                f"model {model!r} has no signature {about.SIGNATURE!r}, so it cannot tell what it "
                "is.\nExport it again with python -m zoo.export.",
                model=model,
                signature=about.SIGNATURE,
            )
        return known.about

    async def predict(
        self, model, inputs, signature=calls.SIGNATURE, version=None, label=None, timeout=None
    ) -> dict[str, np.ndarray]:
        """Run any signature of any model.

        Names, dtypes and shapes are held against the model's metadata before anything is sent:
        TensorFlow Serving checks no shapes, and a wrong number of dimensions can even end its
        process. A call with more rows than the server takes at once is split by its first
        dimension, and the outputs are put together.

        Args:
            model: the model's name.
            inputs: by name: an array, bytes, or a list of bytes. dtypes are sent as they are, and
                most models take float32 only, which is not numpy's default.
            signature: name of the signature to run.
            version: number of the version to ask; None for the newest.
            label: label of the version to ask, in place of its number.
            timeout: seconds that the call may take; None for the client's.

        Returns:
            Arrays by output name; strings as object arrays of bytes, bfloat16 as float32.
        """
        choice = Choice(model, version, label)
        arrays = {name: tensors.as_array(value) for name, value in inputs.items()}
        deadline = self._deadline(timeout, sum(array.size for array in arrays.values()) / 3)
        known = await self._models.describe(choice, deadline)
        input_checks.check(arrays, known.metadata, model, signature)
        rows = batches.row_count(arrays)
        limit = self._row_limits.get(model)
        if not (limit and rows and rows > limit):
            try:
                return await self._predict(choice, arrays, signature, deadline)
            except errors.InvalidRequest as error:
                limit = batches.row_limit(error.details, arrays)
                if limit is None:
                    raise
                if isinstance(error, errors.BatchTooLarge):  # whatever is sent
                    self._row_limits[model] = limit
        parts = await self._connection.gather(
            [
                functools.partial(self._predict, choice, part, signature, deadline)
                for part in batches.split(arrays, limit)
            ],
            self._parallel,
        )
        try:
            return batches.joined(parts)
        except ValueError as error:
            raise errors.BatchTooLarge(
                f"model {model!r}, signature {signature!r}: the server takes {limit} rows in a "
                f"call, and the outputs of several calls cannot be put together: {error}.\n"
                f"{errors.BatchTooLarge.advice}",
                model=model,
                signature=signature,
            ) from error

    async def _predict(self, choice, inputs, signature, deadline):
        request, response = await self._models.ask(choice, inputs, signature, deadline)
        return calls.read_outputs(request, response)

    # --- Pictures ---

    async def stylize(
        self,
        picture,
        model,
        *,
        style=None,
        strength=1.0,
        preserve_color=False,
        tile=picture_tiles.AUTO,
        signature=picture_calls.ENCODED,
        version=None,
        label=None,
        timeout=None,
    ) -> PIL.Image.Image:
        """Send a picture through a model of the zoo, losslessly.

        A plain JPEG file is sent as it is, with whatever it carries beside its pixels, such as
        where the photo was taken; all else is sent as PNG, the pixels alone.

        Args:
            picture: path, file content as bytes, binary file, PIL image or array; as
                `zoo.images.read` takes it.
            model: the model's name.
            style: of a model of several: a name, or weights by name in any proportion, such as
                {"starry-night": 0.6, "great-wave": 0.4}.
            strength: of such a model: 0 for the photo as it is, 1 for the style.
            preserve_color: whether the result takes its colours from the picture, and from the
                model its brightness alone.
            tile: "auto": a picture larger than the model takes is cut into overlapping tiles, which
                are sent side by side and put together; "off": never; or the largest side of a tile
                in pixels. Styles match across tiles through a thumbnail of the whole picture,
                which differs a little from the picture in one; super-resolution does not differ.
            signature: "encoded" for image files both ways; "serving_default" for float32 pixels:
                larger messages, but neither side spends time on PNG.
            version: number of the version to ask; None for the newest.
            label: label of the version to ask, in place of its number.
            timeout: seconds that all of it may take; None for the client's and 20 for each
                megapixel of the result.

        Returns:
            An image of mode RGB, upright; RGBA if the picture has transparency, which is kept. A
            super-resolution model gives a larger one.

        Raises:
            zoo.images.ImageError: the picture cannot be read.
        """
        original = await self._connection.in_thread(Original, picture)
        choice = Choice(model, version, label)
        rgb = await self._transformation.run(
            original,
            choice,
            signature,
            tile,
            lambda described: style_input(described, model, signature, style, strength),
            self._deadline(timeout, original.pixels),
        )
        if preserve_color:
            photo = original.picture.rgb
            rgb = await self._connection.in_thread(colors.keep_luminance, rgb, photo)
        return await self._connection.in_thread(lambda: original.with_rgb(rgb).to_pil())

    async def upscale(
        self,
        picture,
        factor,
        model=None,
        *,
        tile=picture_tiles.AUTO,
        signature=picture_calls.ENCODED,
        version=None,
        label=None,
        timeout=None,
    ) -> PIL.Image.Image:
        """Enlarge a picture by a super-resolution model of the zoo; all else as `stylize`.

        Args:
            picture: as `stylize` takes it.
            factor: how many times its width and height.
            model: name of a model for this factor; None for "sr-x4" and so on.
            tile: as in `stylize`.
            signature: as in `stylize`.
            version: number of the version to ask; None for the newest.
            label: label of the version to ask, in place of its number.
            timeout: seconds that all of it may take, as in `stylize`.

        Raises:
            InvalidRequest: the model is for another factor.
            zoo.images.ImageError: the picture cannot be read.
        """
        original = await self._connection.in_thread(Original, picture)
        model = model or f"sr-x{factor}"
        choice = Choice(model, version, label)
        deadline = self._deadline(timeout, original.pixels * factor**2)
        described = await self._models.describe(choice, deadline)
        if described.about:
            check_factor(model, factor, described.about.factor)
        rgb = await self._transformation.run(
            original, choice, signature, tile, lambda _: {}, deadline
        )
        check_factor(model, factor, rgb.shape[0] / original.size[0])
        return await self._connection.in_thread(lambda: original.with_rgb(rgb).to_pil())

    # --- The shared end of all calls ---

    def _deadline(self, timeout, pixels=0):
        if timeout is None:
            timeout = self._timeout + _SECONDS_A_MEGAPIXEL * pixels / 1e6
        return Deadline(timeout)
