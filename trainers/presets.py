"""What decides an optimised image: the settings, and the papers' values for them."""

import dataclasses

from zoo import criterion, losses, wasserstein


@dataclasses.dataclass(frozen=True)
class Form:
    """How features are compared; see `zoo.criterion.PerceptualCriterion`."""

    content_distance: object
    style_statistic: object
    style_distance: object


CRITERIA = {
    # Equations 1 to 5: sums over features.
    "gatys2016": Form(losses.feature_reconstruction_sum, losses.gram_matrix, losses.gatys_style),
    # Equations 2 to 4: means over features.
    "johnson2016": Form(
        losses.feature_reconstruction, losses.gram_matrix, losses.style_reconstruction
    ),
    # Every layer relative to the photo's and the painting's own features.
    "relative": Form(
        losses.relative_feature_reconstruction, losses.gram_matrix, losses.relative_style
    ),
    # Means and covariances in place of Gram matrices, relative too.
    "wasserstein": Form(
        losses.relative_feature_reconstruction, wasserstein.moments, wasserstein.wasserstein
    ),
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that decides the image; see the flags of `trainers.optimize` for the meaning."""

    content: str | None = None
    style: tuple[str, ...] = ()
    style_blend: tuple[float, ...] = ()
    content_regions: str | None = None
    style_regions: tuple[str, ...] = ()
    size: int = 512
    start_size: int = 0
    style_scale: float = 1.0
    iterations: int = 300
    init: str = "noise"
    criterion: str = "gatys2016"
    content_layers: dict[str, float] = dataclasses.field(default_factory=dict)
    style_layers: dict[str, float] = dataclasses.field(default_factory=dict)
    content_weight: float = 1.0
    style_weight: float | None = None
    style_balance: float = 1.0
    tv_weight: float = 0.0
    optimizer: str = "lbfgs"
    learning_rate: float = 0.02
    average: float = 0.0
    preserve_color: str = "none"
    loss_network: str = "vgg19"
    loss_network_weights: str = "imagenet"
    loss_network_preprocessing: str = "caffe"
    loss_network_pooling: str = "max"
    dtype_policy: str = "float32"
    seed: int = 0


_GATYS_LAYERS = {
    "loss_network": "vgg19",
    "loss_network_pooling": "average",
    "content_layers": {"relu4_2": 1.0},
    "style_layers": {f"relu{block}_1": 0.2 for block in range(1, 6)},
}

PRESETS = {
    # Gatys 2016, section 2. Their alpha / beta means something else in any other network and at any
    # other size, since content is a sum over pixels and style is none; the balance does not.
    "gatys2016": {
        **_GATYS_LAYERS,
        "criterion": "gatys2016",
        "style_balance": 10.0,
    },
    # Johnson 2016, equation 10.
    "johnson2016": {
        "loss_network": "vgg16",
        "loss_network_pooling": "max",
        "content_layers": dict.fromkeys(criterion.CONTENT_LAYERS, 1.0),
        "style_layers": dict.fromkeys(criterion.STYLE_LAYERS, 1.0),
        "criterion": "johnson2016",
        "style_balance": 4.0,
        "tv_weight": 40.0,
    },
    # Ours: layers count alike in any network; from the photo, whose content is not to be found
    # again in noise, and from coarse to fine, so that large strokes form first.
    "best": {
        **_GATYS_LAYERS,
        "criterion": "relative",
        "style_balance": 11.0,
        "tv_weight": 1.0,
        "init": "content",
        "start_size": 384,
        "optimizer": "whitened_lbfgs",
    },
}
