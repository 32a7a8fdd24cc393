"""What each super-resolution network costs: parameters, operations and time for one image.

    python -m benchmarks.superres_networks --factor=4

Untrained: none of it depends on the weights. The networks take turns in short blocks, all in the
same arithmetic; each time is of the fastest block.
"""

import keras
import numpy as np
from absl import flags

from benchmarks.operations import gigaflops
from benchmarks.optimization import machine
from trainers import dtype_policy_flag
from trainers.hardware import default_dtype_policy
from trainers.timing import alternating_seconds
from zoo import program
from zoo.quiet import import_tensorflow
from zoo.superres import ARCHITECTURES, SuperResolutionNetwork

# Of whose time the others' is told as a multiple: the paper's.
REFERENCE = "johnson2016_sr"


def compiled(network):
    """A network as a function of a NumPy image [1, H, W, 3], compiled for any size."""
    tf = import_tensorflow()
    signature = [tf.TensorSpec((1, None, None, 3), tf.float32)]
    function = tf.function(lambda image: network(image, training=False), signature)
    return lambda image: function(tf.constant(image)).numpy()


def define_flags():
    """The program's flags."""
    flags.DEFINE_integer("factor", 4, "Of enlargement: 2, 4 or 8.", 2)
    flags.DEFINE_integer("width", 480, "Of the small image, in pixels.", 8)
    flags.DEFINE_integer("height", 270, "Of the small image, in pixels.", 8)
    dtype_policy_flag.define()


def main(argv):
    """Run the program; see the module's docstring."""
    values = flags.FLAGS.flag_values_dict()
    policy = values["dtype_policy"] or default_dtype_policy()
    factor, width, height = values["factor"], values["width"], values["height"]
    keras.config.set_dtype_policy(policy)
    networks = {name: SuperResolutionNetwork(name, factor) for name in ARCHITECTURES}
    image = np.random.default_rng(0).uniform(size=(1, height, width, 3)).astype(np.float32)
    blocks = alternating_seconds(
        {name: compiled(network) for name, network in networks.items()}, image, blocks=4, calls=1
    )
    seconds = {name: min(times) for name, times in blocks.items()}

    print(f"x{factor} of {width} x {height} pixels; {policy}; {machine()}\n")
    print(f"| network | parameters | GFLOPs | ms | times faster than {REFERENCE} |")
    print("| --- " * 5 + "|")
    for name, network in networks.items():
        print(
            f"| {name} | {network.count_params() / 1e6:.2f} M "
            f"| {gigaflops(network, height, width):.3g} | {1000 * seconds[name]:.0f} "
            f"| {seconds[REFERENCE] / seconds[name]:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    define_flags()
    program.run(main, "benchmarks.superres_networks", only_flags=True)
