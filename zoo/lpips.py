"""LPIPS, a distance of images fitted to what people see (Zhang 2018), with the VGG-16 trunk.

Its own scaling of images is torchvision's preprocessing, so that `zoo.vgg.LossNetwork` with
torchvision's weights is its trunk. The heads, one weight for each channel, come from the `lpips`
package (PyTorch), in a file made once by

    import lpips, numpy
    heads = lpips.LPIPS(net="vgg", pnet_rand=True).lins
    kernels = [head.model[-1].weight.detach().numpy() for head in heads]  # [1, C, 1, 1]
    kernels = {f"lin{i}/kernel": k.transpose(2, 3, 1, 0) for i, k in enumerate(kernels)}
    numpy.savez("lpips_vgg16_lin.npz", **kernels)
"""

import numpy as np
from keras import ops

from zoo.errors import UserError
from zoo.losses import unit_length

LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
CHANNELS = (64, 128, 256, 512, 512)


class LPIPS:
    """The distance of images from originals; 0 is equal, 0.5 is far. Version 0.1 of the package.

    Args:
        loss_network: a VGG-16 `zoo.vgg.LossNetwork` of torchvision's weights and preprocessing.
        heads: path of an .npz file: "lin0/kernel" to "lin4/kernel", float32 [1, 1, C, 1].

    Raises:
        UserError: the file of heads cannot be read or holds something else.
    """

    def __init__(self, loss_network, heads):
        self._features = loss_network.features(LAYERS)
        self._smallest_side = loss_network.smallest_side(LAYERS)
        self._heads = _read_heads(heads)

    def __call__(self, images, originals):
        """Distances, float32 [N], of images [N, H, W, 3] in [0, 1] from originals of that shape.

        Features are in the compute dtype of the policy under which the loss network was made:
        measure in float32.

        Raises:
            UserError: the shapes differ, a side is below 16 pixels. Shapes that a graph does not
                know in full are not checked.
        """
        if None not in (*images.shape, *originals.shape):
            self._check(images.shape, originals.shape)
        return self.of_features(self._features(images), self._features(originals))

    def of_features(self, ours, theirs):
        """The same of the features {layer: [N, h, w, C]} of `LAYERS`."""
        return sum(
            _distance(ours[layer], theirs[layer], head)
            for layer, head in zip(LAYERS, self._heads, strict=True)
        )

    def _check(self, shape, original_shape):
        if shape != original_shape:
            raise UserError(f"images {shape} and originals {original_shape} differ in size")
        if min(shape[1:3]) < self._smallest_side:
            raise UserError(f"LPIPS needs sides of {self._smallest_side} pixels: {shape}")


def _distance(features, others, head):
    difference = ops.square(unit_length(features) - unit_length(others))
    return ops.mean(ops.sum(ops.multiply(difference, head), axis=-1), axis=(1, 2))


def _read_heads(path):
    try:
        with np.load(path) as file:
            heads = [file[f"lin{i}/kernel"] for i in range(len(LAYERS))]
    except Exception as error:  # of files that are no archives NumPy raises many kinds
        raise UserError(
            f"cannot read LPIPS heads from {path}: {error}\nGive an .npz file made from the lpips "
            "package; the documentation of zoo.lpips says how."
        ) from error
    shapes = [head.shape for head in heads]
    if shapes != [(1, 1, channels, 1) for channels in CHANNELS]:
        raise UserError(f"{path}: heads of {shapes} do not fit VGG-16: give those of net='vgg'")
    return [head.reshape(-1).astype(np.float32) for head in heads]
