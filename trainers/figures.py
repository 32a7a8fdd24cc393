"""Draw a figure of the papers: optimised images side by side on a labelled sheet.

    python -m trainers.figures content --content=PHOTO --output=SHEET.jpg
    python -m trainers.figures style --style=PAINTING --output=SHEET.jpg
    python -m trainers.figures balance --content=PHOTO --style=PAINTING --output=SHEET.jpg

content: what each layer keeps of a photo, found by inverting its features (Gatys 2016, figure 1,
top; Johnson 2016, figure 3; Mahendran and Vedaldi 2015).
style: textures that share a painting's statistics up to each layer (Gatys 2015; Gatys 2016,
figure 1, bottom; Johnson 2016, figure 4).
balance: from little style to much (Gatys 2016, figure 4).

The layers are those of Gatys 2016, or of Johnson 2016 with --loss_network=vgg16. The folder SHEET
holds the panels, and the sheet those so far. After Ctrl-C the same command goes on with the others.
"""

import dataclasses
import math
from pathlib import Path

from absl import app, flags

from trainers import descent, dtype_policy_flag, loss_network_flags
from trainers.hardware import default_dtype_policy
from trainers.panels import Panel, draw
from trainers.pictures import read_pictures
from trainers.preparation import check, loss_network
from trainers.presets import PRESETS, Settings
from zoo import images, program
from zoo.contact_sheet import contact_sheet

# What a panel is, where the preset "best" says otherwise.
FIGURES = {
    "content": {"init": "noise", "start_size": 0, "tv_weight": 3.0},
    "style": {"init": "noise", "start_size": 0, "tv_weight": 0.0},
    "balance": {},
}
_PICTURES = {"content": {"content"}, "style": {"style"}, "balance": {"content", "style"}}

# By loss network: whose pooling and layers they are, and those that its paper inverts.
_PAPERS = {"vgg19": PRESETS["gatys2016"], "vgg16": PRESETS["johnson2016"]}
_INVERTED_LAYERS = {
    "vgg19": ("relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_2"),
    "vgg16": ("relu2_2", "relu3_3", "relu4_3", "relu5_1", "relu5_3"),
}


def content_panels(settings):
    """`Panel`s of each content layer alone."""
    return [
        Panel(layer, dataclasses.replace(settings, content_layers={layer: 1.0}))
        for layer in settings.content_layers
    ]


def style_panels(settings, pictures):
    """`Panel`s of each style layer with those before it, the painting as high as the texture."""
    height, width, _ = pictures.paintings[0].shape
    scaled = dataclasses.replace(settings, style_scale=max(1.0, width / height))
    layers = list(settings.style_layers)
    return [
        Panel(
            f"up to {layer}",
            dataclasses.replace(scaled, style_layers=dict.fromkeys(layers[:count], 1 / count)),
        )
        for count, layer in enumerate(layers, start=1)
    ]


def balance_panels(settings, balances):
    """`Panel`s of each style balance; see `trainers.calibration`."""
    return [
        Panel(f"balance {balance:g}", dataclasses.replace(settings, style_balance=balance))
        for balance in balances
    ]


def draw_figure(figure, settings, balances, output, height=None, columns=3):
    """Make the panels that are missing and write the sheet, anew after each.

    Args:
        figure: a name of `FIGURES`.
        settings: a `trainers.presets.Settings` with all layers of the figure, and its pictures.
        balances: the style balances of "balance".
        output: path of the sheet.
        height: of every picture on it, in pixels; that of the panels if None.
        columns: pictures in a row.

    Raises:
        UserError: an input cannot be used, memory will not do, or the loss is not finite.
    """
    pictures = read_pictures(settings)
    network = loss_network(settings)
    if figure == "content":
        panels = content_panels(settings)
    elif figure == "style":
        panels = style_panels(settings, pictures)
    else:
        panels = balance_panels(settings, balances)
    for panel in reversed(panels):  # the deepest layers first, which need the largest size
        check(panel.settings, pictures, network)
    cells = {}
    if pictures.content:
        cells["photo"] = pictures.content
    if pictures.paintings:
        cells["painting"] = pictures.paintings[0]

    def write_sheet():
        panel_height, _ = pictures.size(settings.size)
        sheet = contact_sheet(cells.values(), cells.keys(), height or panel_height, columns)
        images.write(sheet, output)

    write_sheet()  # fails before the work, if it has to
    drawn = draw(panels, pictures, network, Path(output).with_suffix(""))
    for panel, picture in zip(panels, drawn, strict=True):
        cells[panel.label] = picture
        write_sheet()


# --- Flags ---


def define_flags():
    """The program's flags."""
    flags.DEFINE_string("content", None, "The photo.")
    flags.DEFINE_string("style", None, "The painting.")
    flags.DEFINE_string("output", None, "The sheet to write, SHEET.jpg or .png.", required=True)
    flags.DEFINE_list(
        "layers",
        None,
        "VGG layers: those to invert one by one, those to take together more and more, or the "
        "style's in a balance.",
    )
    flags.DEFINE_list(
        "balances", ["0.25", "1", "4", "16"], "Style balances, see trainers.optimize."
    )
    flags.register_validator("balances", _are_weights, "balances are numbers of 0 or more")
    flags.DEFINE_integer("size", 256, "Long side of a panel in pixels.", lower_bound=1)
    flags.DEFINE_integer(
        "start_size",
        None,
        "Long side at which a panel starts; see trainers.optimize.",
        lower_bound=0,
    )
    flags.DEFINE_integer("iterations", 200, "For each panel.", lower_bound=1)
    flags.DEFINE_enum("init", None, ["content", "noise", "gray"], "What a panel starts from.")
    flags.DEFINE_float(
        "tv_weight",
        None,
        "Weight of the total variation, relative to the content's in the figure of content.",
        lower_bound=0,
    )
    flags.DEFINE_enum("optimizer", "lbfgs", list(descent.MINIMIZERS), "The optimiser.")
    loss_network_flags.define("vgg19", pooling=None)
    dtype_policy_flag.define()
    flags.DEFINE_integer("seed", 0, "Of the noise.", lower_bound=0)
    flags.DEFINE_integer(
        "height", None, "Of a picture on the sheet; a panel's own if not given.", lower_bound=1
    )
    flags.DEFINE_integer("columns", 3, "Pictures in a row.", lower_bound=1)


def _are_weights(texts):
    try:
        return bool(texts) and all(0 <= float(text) < math.inf for text in texts)
    except ValueError:
        return False


def settings_from(figure, values):
    """The `Settings` of a figure, with all its layers, from flag values, a dict."""
    paper, layers = _PAPERS[values["loss_network"]], values["layers"]
    settings = {
        **PRESETS["best"],
        **{k: paper[k] for k in ("loss_network_pooling", "content_layers", "style_layers")},
        **FIGURES[figure],
        "dtype_policy": default_dtype_policy(),
    }
    if figure == "content":
        inverted = layers or _INVERTED_LAYERS[values["loss_network"]]
        settings["content_layers"] = dict.fromkeys(inverted, 1.0)
    elif layers:
        settings["style_layers"] = dict.fromkeys(layers, 1 / len(layers))
    names = {field.name for field in dataclasses.fields(Settings)}
    settings |= {k: values[k] for k in names & values.keys() if values[k] is not None}
    settings["style"] = (values["style"],) if values["style"] else ()
    return Settings(**settings)


def main(argv):
    """Run the program; see the module's docstring."""
    values = flags.FLAGS.flag_values_dict()
    if len(argv) != 2 or argv[1] not in FIGURES:
        raise app.UsageError(f"name one figure: {', '.join(FIGURES)}")
    figure = argv[1]
    if {name for name in ("content", "style") if values[name]} != _PICTURES[figure]:
        wanted = " and ".join(f"--{name}" for name in sorted(_PICTURES[figure]))
        raise app.UsageError(f"the figure {figure!r} is made from {wanted}, no more and no less")
    draw_figure(
        figure,
        settings_from(figure, values),
        [float(balance) for balance in values["balances"]],
        values["output"],
        values["height"],
        values["columns"],
    )


def cli():
    """Console entry point."""
    define_flags()
    program.run(main, "trainers.figures")


if __name__ == "__main__":
    cli()
