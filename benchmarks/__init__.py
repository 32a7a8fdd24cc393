"""Programs that print the tables of the documents; none is installed, all run from a checkout."""

from zoo.quiet import import_keras

import_keras()
