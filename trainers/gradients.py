"""The gradient of a loss with respect to an image, on any backend of Keras."""

import keras
import numpy as np


def value_and_gradient(function):
    """Make a function of tensors one of NumPy arrays that gives the gradient too.

    It is compiled once for each size of image, by TensorFlow and JAX.

    Args:
        function: maps a float32 tensor [1, H, W, 3] to a dict of scalar tensors, among them "loss".

    Returns:
        A callable from an image, floats of any dtype [H, W, 3], to (the dict as Python floats,
        the gradient of "loss" as float32 [H, W, 3]).
    """
    differentiated = _DIFFERENTIATED[keras.backend.backend()](function)

    def evaluate(image):
        tensor = keras.ops.convert_to_tensor(np.asarray(image, "float32")[None])
        terms, gradient = differentiated(tensor)
        floats = {name: float(keras.ops.convert_to_numpy(term)) for name, term in terms.items()}
        return floats, np.array(keras.ops.convert_to_numpy(gradient)[0])

    return evaluate


def _by_tensorflow(function):
    import tensorflow as tf

    # Without a signature: for a size that it knows TensorFlow fuses more.
    @tf.function
    def differentiated(image):
        with tf.GradientTape() as tape:
            tape.watch(image)
            terms = function(image)
        return terms, tape.gradient(terms["loss"], image)

    return differentiated


def _by_jax(function):
    import jax

    def loss_and_terms(image):
        terms = function(image)
        return terms["loss"], terms

    compiled = jax.jit(jax.value_and_grad(loss_and_terms, has_aux=True))

    def differentiated(image):
        (_, terms), gradient = compiled(image)
        return terms, gradient

    return differentiated


def _by_torch(function):
    import torch

    def differentiated(image):
        image = image.detach().requires_grad_()
        with torch.enable_grad():
            terms = function(image)
            (gradient,) = torch.autograd.grad(terms["loss"], image)
        return terms, gradient

    return differentiated


_DIFFERENTIATED = {"tensorflow": _by_tensorflow, "jax": _by_jax, "torch": _by_torch}
