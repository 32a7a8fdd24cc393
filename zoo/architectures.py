"""The networks that `--network` names: arguments of `zoo.networks.StyleNetwork`.

Filters come in sixteens: other counts take a slower way through oneDNN's norms on CPUs.
"""

# A sub-pixel output over half the resolution, and zeros around each layer but for the image.
_LIGHT = {"output_kernel": 3, "output_scale": 2, "padding": 8, "trunk_padding": "same"}
# 1x1 before the image is enlarged, where filters cost a quarter.
_LIGHT_HEAD = {"head": ((32, 1, 1), (16, 3, 2))}
_QUARTER64 = {**_LIGHT, "stem": ((32, 4, 2), (64, 4, 2)), "head": ((32, 3, 2),)}
# Resized and convolved up to the full resolution. A sub-pixel output instead learns more slowly.
_RESIZE_HEAD = {"head": ((32, 3, 2), (16, 3, 2)), "output_kernel": 5, "output_scale": 1}
# Detail goes past the trunk, from the stem to the head at a quarter of the resolution.
_EIGHTH = {
    **_LIGHT,
    "stem": ((32, 8, 4), (128, 4, 2)),
    "head": ((32, 1, 2), (16, 3, 2)),
    "skips": True,
}

NETWORKS = {
    # Johnson 2016, with instance norm for batch norm and nearest-neighbour upsampling before a
    # convolution for the fractionally strided one.
    "johnson2016": {},
    # The same, each layer padded by reflection instead of the input.
    "johnson2016_reflect": {"padding": 0, "trunk_padding": "reflect", "layer_padding": "reflect"},
    # Two strided 4x4 convolutions to a quarter of the resolution, and a sub-pixel output.
    "quarter": {
        "stem": ((32, 4, 2), (96, 4, 2)),
        "head": ((48, 3, 2),),
        "output_kernel": 3,
        "output_scale": 2,
        "padding": 48,
    },
    "quarter64": _QUARTER64,
    "quarter64_few_norms": {**_QUARTER64, "trunk_norms": "few"},
    "quarter64_resize": {**_QUARTER64, **_RESIZE_HEAD},
    # The default. With nearest upsampling alone a long training learns to draw dots by features
    # that alternate from pixel to pixel; see docs/architectures.md. With 48 reflected pixels no
    # zero of the trunk's border reaches the picture; 24 left a frame, 40 on plain areas. The head
    # needs 16 of them.
    "quarter_inverted_latticeless": {
        **_QUARTER64,
        **_RESIZE_HEAD,
        "block": "inverted",
        "padding": 48,
        "head_padding": 16,
        "upsampling": "latticeless",
    },
    # The default before, and that of `painters`: blurred before each enlargement, which keeps dots
    # away too, but learns slowly. Detail of the photo that the blurs take goes past them, from the
    # stem at half the resolution.
    "quarter_inverted_resize": {
        **_QUARTER64,
        **_RESIZE_HEAD,
        "block": "inverted",
        "padding": 48,
        "upsampling": "smooth",
        "skips": True,
    },
    # Patches of 8x8 at once: space to depth by 4, and a 2x2 convolution.
    "quarter64_patches": {**_QUARTER64, **_LIGHT_HEAD, "stem": ((64, 8, 4),)},
    "quarter48": {**_LIGHT, **_LIGHT_HEAD, "stem": ((16, 4, 2), (48, 4, 2))},
    "quarter_separable": {
        **_LIGHT,
        **_LIGHT_HEAD,
        "stem": ((16, 4, 2), (96, 4, 2)),
        "block": "separable",
    },
    "quarter_inverted": {
        **_LIGHT,
        **_LIGHT_HEAD,
        "stem": ((16, 4, 2), (64, 4, 2)),
        "block": "inverted",
    },
    "eighth": _EIGHTH,
    "eighth_inverted": {**_EIGHTH, "block": "inverted"},
}
