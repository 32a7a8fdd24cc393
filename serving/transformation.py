"""A picture sent through a model of the zoo, whole or in tiles."""

import functools
import itertools

from serving import about, errors, picture_calls, picture_tiles
from serving.models import Choice
from zoo.errors import UserError
from zoo.style_weights import style_weights

_ATTEMPTS = 3  # at one picture, when versions go while its tiles are on the way


class Transformation:
    """Sends pictures through models.

    Args:
        connection: of `serving.connections`.
        models: `Models` over it.
        parallel: tiles on the way at once.
    """

    def __init__(self, connection, models, parallel):
        self._connection = connection
        self._models = models
        self._parallel = parallel

    async def run(self, original, choice, signature, tile, weights_of, deadline):
        """Transform a picture.

        Args:
            original: `picture_calls.Original`.
            choice: `Choice` of the model.
            signature: name of the signature for whole pictures.
            tile: see `picture_tiles.choose`.
            weights_of: from the model's `Description` to further inputs.
            deadline: `Deadline`.

        Returns:
            float32 [H, W, 3] in 0..1.
        """
        for attempt in itertools.count(1):
            described = await self._models.describe(choice, deadline)
            weights = weights_of(described)
            tiling = await self._connection.in_thread(
                picture_tiles.choose, original, described, choice.model, tile
            )
            if tiling is None:
                return await self._whole(choice, described, original, weights, signature, deadline)
            # All tiles from one version, whatever becomes the newest meanwhile.
            pinned = Choice(choice.model, described.metadata.version)
            try:
                return await self._tiled(pinned, tiling, original, weights, deadline)
            except errors.VersionGone:
                self._models.forget(choice)
                if choice.version is not None or attempt == _ATTEMPTS:
                    raise

    async def _whole(self, choice, described, original, weights, signature, deadline):
        name = picture_calls.picture_input(described.metadata, choice.model, signature)
        if name == picture_calls.FILE:
            picture = [await self._connection.in_thread(lambda: original.file)]
        else:
            picture = (await self._connection.in_thread(lambda: original.picture)).rgb[None]
        return await self._ask(choice, {name: picture, **weights}, signature, deadline)

    async def _tiled(self, choice, tiling, original, weights, deadline):
        async def part(tile):
            inputs = await self._connection.in_thread(tiling.inputs, tile, original.picture.rgb)
            return await self._ask(choice, {**inputs, **weights}, tiling.signature, deadline)

        parts = [functools.partial(part, tile) for row in tiling.tiles for tile in row]
        outputs = await self._connection.gather(parts, self._parallel)
        return await self._connection.in_thread(tiling.assembled, outputs)

    async def _ask(self, choice, inputs, signature, deadline):
        answer = await self._models.ask(choice, inputs, signature, deadline)
        return await self._connection.in_thread(picture_calls.read_picture, *answer)


def style_input(described, model, signature, style, strength) -> dict:
    """The input by which a model of several styles is told which; nothing for any other.

    Args:
        described: `Description` of the model.
        model: its name.
        signature: name of the signature for whole pictures.
        style: see `zoo.style_weights`; None if none was asked for.
        strength: see there.

    Raises:
        InvalidRequest: a style is missing, unknown, or more than the model has.
    """
    spec = described.metadata.signatures.get(signature)
    if spec is None or picture_calls.STYLE_WEIGHTS not in spec.inputs:
        if style is None and strength == 1:
            return {}
        problem, advice = "it has one style only", "Leave style and strength out"
    elif described.about is None or not described.about.styles:
        problem = f"it has no signature {about.SIGNATURE!r} that would tell its styles"
        advice = f"Call predict with {picture_calls.STYLE_WEIGHTS!r} as an input"
    elif style is None:
        problem = "no style is asked for"
        advice = f"Give one of {', '.join(described.about.styles)}, or weights of several"
    else:
        try:
            weights = style_weights(described.about.styles, style, strength)
        except UserError as error:
            raise errors.InvalidRequest(
                f"model {model!r}: {error}", model=model, signature=signature
            ) from error
        return {picture_calls.STYLE_WEIGHTS: weights[None]}
    raise errors.InvalidRequest(
        f"model {model!r}, signature {signature!r}: {problem}. Nothing was sent.\n{advice}.",
        model=model,
        signature=signature,
    )


def check_factor(model, wanted, factor):
    """Refuse a model of another factor than the one wanted.

    Raises:
        InvalidRequest: they differ.
    """
    if factor != wanted:
        raise errors.InvalidRequest(
            f"model {model!r} enlarges {factor:g} times, not {wanted} times.\n"
            "Give another factor, or a model for this one.",
            model=model,
        )
