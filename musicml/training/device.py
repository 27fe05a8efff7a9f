"""What a training runs on, in which precision and why, and how it is made to repeat."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import keras

from musicml.utils import Message

logger = logging.getLogger(__name__)

OUT_OF_MEMORY = re.compile("resource_?exhausted|out.of.memory", re.IGNORECASE)  # as TensorFlow, XLA and CUDA say it
DISK_IS_FULL = re.compile("no space left", re.IGNORECASE)  # which TensorFlow calls an exhausted resource too


def take_one_gpu() -> None:
    """Leave all GPUs but the first to others, and say which is taken; JAX computes on the first anyway."""
    gpus = _list_gpus()
    if len(gpus) < 2:
        return
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        try:
            tf.config.set_visible_devices(tf.config.get_visible_devices("GPU")[:1], "GPU")
        except RuntimeError:  # it was begun with before, as in a notebook
            logger.warning("%s GPUs were in use by this process before the training began, so they stay so", len(gpus))
            return
    logger.info(
        "GPU: %s, the first of %s; the others are left free. The variable CUDA_VISIBLE_DEVICES chooses another one.",
        gpus[0][0],
        len(gpus),
    )


def _list_gpus() -> list[tuple[str, float | None]]:
    """List the GPUs that Keras's backend sees: each one's name, and its compute capability where it tells that."""
    if keras.backend.backend() == "jax":
        import jax

        found = [one for one in jax.devices() if one.platform != "cpu"]
        known = [getattr(one, "compute_capability", None) for one in found]
        return [(one.device_kind, float(it) if it else None) for one, it in zip(found, known, strict=True)]
    if keras.backend.backend() != "tensorflow":
        return []
    import tensorflow as tf

    details = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.get_visible_devices("GPU")]
    versions = [one.get("compute_capability", (0, 0)) for one in details]
    return [
        (one.get("device_name", "GPU"), major + minor / 10)
        for one, (major, minor) in zip(details, versions, strict=True)
    ]


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one behind it, says that the memory of a device or of this machine did not suffice."""
    while error is not None:
        words = f"{type(error).__name__}: {error}"
        if isinstance(error, MemoryError) or (OUT_OF_MEMORY.search(words) and not DISK_IS_FULL.search(words)):
            return True
        error = error.__cause__ or error.__context__
    return False


def choose_precision(wanted: str) -> tuple[str, str]:
    """The dtype policy and why: mixed on a GPU that gains by it, float32 on a CPU."""
    if wanted != "auto":
        return wanted, Message("set in the experiment")
    name, capability = get_device()
    if capability is None:
        return "float32", Message("{name} is no GPU with a known compute capability", name=name)
    policy = "mixed_bfloat16" if capability >= 8 else "mixed_float16" if capability >= 7 else "float32"
    return policy, Message("{name}, compute capability {capability:.1f}", name=name, capability=capability)


def choose_compile(wanted: str) -> tuple[bool | str, str]:
    """Whether XLA compiles the steps, as Keras's `jit_compile`, and why.

    On a CPU it makes convolutions slower, takes seconds before the first step, and gains a recurrent network too little
    to pay for that (`make bench ARGS=training`). JAX always compiles.
    """
    if keras.backend.backend() != "tensorflow":
        return "auto", Message("{backend} decides", backend=keras.backend.backend())
    if wanted != "auto":
        return wanted == "xla", Message("set in the experiment")
    name, capability = get_device()
    if capability is not None:
        return "auto", Message("{name}: Keras decides", name=name)
    return False, Message("{name}: XLA makes no step quicker there by more than it takes to compile", name=name)


def get_device() -> tuple[str, float | None]:
    """The device's name, and a GPU's compute capability; None for a CPU."""
    return next((gpu for gpu in _list_gpus() if gpu[1] is not None), ("CPU", None))


def convert_to_float32(model: Any, policy: str) -> Any:
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
