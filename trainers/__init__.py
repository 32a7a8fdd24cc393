"""Programs that train the zoo's models, and what they are made of."""

from zoo.quiet import import_keras, import_tensorflow

import_keras()
import_tensorflow()  # for TensorBoard and TensorFlow Datasets, whatever Keras runs on
