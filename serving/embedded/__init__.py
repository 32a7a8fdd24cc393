"""What the server for development is made of; `serving.server` is its program."""

from zoo.quiet import import_tensorflow

import_tensorflow()
