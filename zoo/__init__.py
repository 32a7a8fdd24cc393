"""Perceptual Zoo: networks, losses, images, catalogue and export.

Importing this package imports neither TensorFlow nor Keras; it lowers TensorFlow's log level,
unless the environment sets one (``TF_CPP_MIN_LOG_LEVEL``). See also `zoo.quiet`.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.1.0"
