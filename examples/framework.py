"""The model of the two framework examples: 2 x + 3, as a linear layer on the best device there is.

`load` imports the first framework that is installed, so it must only be called in a child. This
file is imported by the examples; by itself it does nothing.
"""

import importlib.util

FRAMEWORKS = ("torch", "jax", "tensorflow")
NONE_INSTALLED = "this example needs PyTorch, JAX or TensorFlow: `pip install jax` is the smallest"
WEIGHTS = (2.0, 3.0)  # of the input's two numbers


def is_installed(name):
    """Whether a framework is there; looking does not import it."""
    return importlib.util.find_spec(name) is not None


def load():
    """The name and device of the framework, and a function of a row of two numbers."""
    for name, build in zip(FRAMEWORKS, (_torch, _jax, _tensorflow), strict=True):
        if is_installed(name):
            device, predict = build()
            return f"{name} on {device}", predict
    raise ModuleNotFoundError(NONE_INSTALLED)


def _torch():
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    layer = torch.nn.Linear(2, 1, bias=False).to(device)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([WEIGHTS]))

    def predict(row):
        with torch.inference_mode():
            return layer(torch.tensor(row, device=device)).item()

    return device, predict


def _jax():
    import jax
    import jax.numpy

    weights = jax.numpy.array(WEIGHTS)
    layer = jax.jit(lambda row: row @ weights)
    return jax.default_backend(), lambda row: float(layer(jax.numpy.array(row)))


def _tensorflow():
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    for device in devices:
        # Without this each process takes the whole memory of the device.
        tf.config.experimental.set_memory_growth(device, enable=True)
    weights = tf.constant([[WEIGHTS[0]], [WEIGHTS[1]]])
    layer = tf.function(lambda row: row @ weights)

    def predict(row):
        return float(layer(tf.constant([row]))[0, 0])

    return "gpu" if devices else "cpu", predict
