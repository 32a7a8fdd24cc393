"""The zoo over the network: a client without TensorFlow, and a server to develop against."""

import zoo  # noqa: F401  (before TensorFlow: keeps its start-up messages off the terminal)
