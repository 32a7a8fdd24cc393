"""Models of the zoo as LiteRT (TFLite) files: conversion, parity, metadata, and running them.

`python -m zoo.tflite` converts; only `zoo.tflite.runtime` and `zoo.tflite.metadata` are needed to
use a file, and neither imports TensorFlow.
"""
