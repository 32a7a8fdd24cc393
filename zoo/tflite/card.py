"""Tables of converted files, and the card that lies beside them."""

HEADER = (
    "| file | KB | least PSNR, dB | mean | mean LPIPS | |\n| --- | --- | --- | --- | --- | --- |"
)

_CARD = """\
# {name} for LiteRT
Version {version} of [{name}](../README.md), {kind}, as files for phones and browsers; licence:
{license}.

{header}
{rows}

Measured against the SavedModel on {photos} photos of the file's size; LPIPS if its weights were at
hand. float32, float16 and dynamic take and give float32 pixels in [0, 1], int8 takes and gives
uint8 pixels in [0, 255]. All are [1, height, width, 3], RGB, sRGB; a size "dynamic" takes any sides
from {smallest} pixels up.{styles}

Signature `serving_default`, inputs and output named as the SavedModel's. What a file tells of
itself: `python -m zoo.catalog --model=FILE.tflite`.
"""


def row(file):
    """A `Converted` as a line of Markdown."""
    parity = file.parity
    lpips = f"{sum(parity.lpips) / len(parity.lpips):.4f}" if parity.lpips else ""
    mean = sum(parity.psnr) / len(parity.psnr)
    note = "" if file.passed else "too far: not written"
    return (
        f"| {file.path.name} | {file.bytes / 1000:.0f} | {parity.least:.1f} | {mean:.1f} | {lpips} "
        f"| {note} |"
    )


def operators(files):
    """Operations of each file, and what the GPU delegate says to them, as Markdown."""
    lines = ["| file | operations | GPU delegate |", "| --- | --- | --- |"]
    for file in files:
        found = ", ".join(f"{count} {name}" for name, count in file.operators.items())
        if file.refused_by_gpu is None:
            gpu = "takes no unknown sizes"
        else:
            gpu = f"not {', '.join(file.refused_by_gpu)}" if file.refused_by_gpu else "takes all"
        lines.append(f"| {file.path.name} | {found} | {gpu} |")
    return "\n".join(lines)


def card(model, files, photos, smallest):
    """The card's text.

    Args:
        model: a `zoo.catalog.Model`.
        files: of `Converted`.
        photos: how many they were measured on.
        smallest: side in pixels that files for any size take.
    """
    styles = model.description.get("styles")
    about = (
        f"\n`style_weights` are float32 [1, {len(styles)}]: {', '.join(styles)}." if styles else ""
    )
    return _CARD.format(
        name=model.name,
        version=model.version,
        kind=model.kind,
        license=model.description.get("license", "not told"),
        header=HEADER,
        rows="\n".join(map(row, files)),
        photos=photos,
        smallest=smallest,
        styles=about,
    )
