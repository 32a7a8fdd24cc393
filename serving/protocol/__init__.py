"""TensorFlow Serving's messages without TensorFlow: wire-compatible, under a name of their own.

`tensorflow_serving_pb2` is generated from `tensorflow_serving.proto`, which says how.
"""
