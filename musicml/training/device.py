"""What a training runs on, in which precision and why, and how it is made to repeat."""

from __future__ import annotations

import json
from typing import Any

import keras


def choose_precision(wanted: str) -> tuple[str, str]:
    """The dtype policy and why: mixed on a GPU that gains by it, float32 on a CPU."""
    if wanted != "auto":
        return wanted, "as the experiment says"
    name, capability = device()
    if capability is None:
        return "float32", f"{name} is no GPU with a known compute capability"
    policy = "mixed_bfloat16" if capability >= 8 else "mixed_float16" if capability >= 7 else "float32"
    return policy, f"{name}, compute capability {capability:.1f}"


def choose_compile(wanted: str) -> tuple[bool | str, str]:
    """Whether XLA compiles the steps, as Keras's `jit_compile`, and why.

    On a CPU it makes convolutions slower, takes seconds before the first step, and gains a recurrent network too little
    to pay for that (`make bench ARGS=training`). JAX always compiles.
    """
    if keras.backend.backend() != "tensorflow":
        return "auto", f"{keras.backend.backend()} decides"
    if wanted != "auto":
        return wanted == "xla", "as the experiment says"
    name, capability = device()
    if capability is not None:
        return "auto", f"{name}: Keras decides"
    return False, f"{name}: XLA makes no step quicker there by more than it takes to compile"


def device() -> tuple[str, float | None]:
    """The device's name, and a GPU's compute capability; None for a CPU."""
    if keras.backend.backend() == "jax":
        import jax

        first = jax.devices()[0]
        capability = getattr(first, "compute_capability", None)
        return first.device_kind if capability else "CPU", float(capability) if capability else None
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        if gpus:
            details = tf.config.experimental.get_device_details(gpus[0])
            major, minor = details.get("compute_capability", (0, 0))
            return details.get("device_name", "GPU"), major + minor / 10
    return "CPU", None


def set_seeds(seed: int, deterministic: bool) -> None:
    """Seed everything; with `deterministic` also let TensorFlow take only operations that repeat to the bit."""
    keras.utils.set_random_seed(seed)
    if deterministic and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def in_float32(model: Any, policy: str) -> Any:
    """A model trained under a mixed policy as one that computes in float32, as it is served: on any machine the same.

    The weights are float32 already; half precision belongs to the card that trained them, and ONNX can't mix the two.
    """
    if policy == "float32":
        return model
    keras.config.set_dtype_policy("float32")
    table = keras.saving.serialize_keras_object(model)
    table.pop("compile_config", None)  # a loss of ours has no name that Keras could find it by, and serving needs none
    described = json.dumps(table).replace(policy, "float32")
    copy = keras.saving.deserialize_keras_object(json.loads(described))
    copy.set_weights(model.get_weights())
    return copy
