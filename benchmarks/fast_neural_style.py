"""The network of PyTorch's public example fast_neural_style, to be measured against.

Johnson 2016 with instance norm, nearest-neighbour upsampling, and a reflection pad before each
convolution: github.com/pytorch/examples, fast_neural_style/neural_style/transformer_net.py.

As a program it runs in a process of its own, for its threads and TensorFlow's are in each other's
way: it answers each line of input, the side of an image, with a line when that is transformed.
"""

import os
import sys

import torch
from torch import nn


class _Convolution(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride=1, upsample=None):
        super().__init__()
        self.upsample = upsample
        self.pad = nn.ReflectionPad2d(kernel // 2)
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride)

    def forward(self, x):
        if self.upsample:
            x = nn.functional.interpolate(x, mode="nearest", scale_factor=self.upsample)
        return self.convolution(self.pad(x))


def _normalized(inputs, outputs, kernel, relu=True, **options):
    layers = [
        _Convolution(inputs, outputs, kernel, **options),
        nn.InstanceNorm2d(outputs, affine=True),
    ]
    return nn.Sequential(*layers, nn.ReLU()) if relu else nn.Sequential(*layers)


class _Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.layers = nn.Sequential(
            _normalized(channels, channels, 3), _normalized(channels, channels, 3, relu=False)
        )

    def forward(self, x):
        return x + self.layers(x)


def transformer_network():
    """A `torch.nn.Module` of float32 [N, 3, H, W] images, with random weights, not training."""
    return nn.Sequential(
        _normalized(3, 32, 9),
        _normalized(32, 64, 3, stride=2),
        _normalized(64, 128, 3, stride=2),
        *[_Residual(128) for _ in range(5)],
        _normalized(128, 64, 3, upsample=2),
        _normalized(64, 32, 3, upsample=2),
        _Convolution(32, 3, 9),
    ).eval()


def main(lines=sys.stdin):
    """Run the program; see the module's docstring."""
    torch.set_num_threads(os.cpu_count())
    network = transformer_network()
    for line in lines:
        side = int(line)
        with torch.inference_mode():
            print(*network(torch.rand(1, 3, side, side)).shape, flush=True)


if __name__ == "__main__":
    main()
