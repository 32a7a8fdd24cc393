"""Inputs held against a model's signature before they are sent.

TensorFlow Serving checks no shapes: a wrong number of dimensions can end its process.
"""

from serving.errors import InvalidRequest


def check(inputs, metadata, model, signature) -> None:
    """Refuse inputs that the signature cannot take.

    Inputs that are missing are left to the server, which knows which have defaults.

    Args:
        inputs: arrays by input name.
        metadata: `Metadata` of the model.
        model: its name.
        signature: name of the signature.

    Raises:
        InvalidRequest: no such signature or input, or another dtype, rank or size.
    """

    def refuse(reason, advice):
        raise InvalidRequest(
            f"model {model!r}, signature {signature!r}: {reason}. Nothing was sent.\n{advice}",
            model=model,
            signature=signature,
        )

    known = metadata.signatures
    if signature not in known:
        refuse("there is no such signature", f"The model has: {', '.join(known)}.")
    specs = known[signature].inputs
    for name, array in inputs.items():
        if name not in specs:
            refuse(f"there is no input {name!r}", f"It takes: {', '.join(specs)}.")
        spec = specs[name]
        dtype = "string" if array.dtype.kind in "OSU" else array.dtype.name
        if dtype != spec.dtype:
            advice = f"Convert it: array.astype({spec.dtype!r})."
            if spec.dtype == "string":
                advice = "Give bytes, for instance a whole image file, or a list of them."
            refuse(f"input {name!r} is {dtype}, and the model takes {spec.dtype}", advice)
        if spec.shape is None:
            continue
        found, wanted = f"shape {_text(array.shape)}", f"the model takes {_text(spec.shape)}"
        if array.ndim != len(spec.shape):
            advice = f"Give {len(spec.shape)} dimensions"
            if array.ndim == len(spec.shape) - 1:
                advice += "; the first counts the batch: array[None] is a batch of one"
            refuse(f"input {name!r} has {found}, and {wanted}", f"{advice}.")
        if any(size not in (None, has) for has, size in zip(array.shape, spec.shape, strict=True)):
            refuse(f"input {name!r} has {found}, and {wanted}", "Sizes of None are free.")


def _text(shape):
    return f"[{', '.join(map(str, shape))}]"
