"""Choose the device, the precision and the compiler of training, with reasons."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import keras

from musicml.utils import Message

logger = logging.getLogger(__name__)

OUT_OF_MEMORY = re.compile("resource_?exhausted|out.of.memory", re.IGNORECASE)  # of TensorFlow, XLA and CUDA
DISK_IS_FULL = re.compile("no space left", re.IGNORECASE)  # TensorFlow calls this an exhausted resource too


def take_one_gpu() -> None:
    """Use the first GPU only and log which. JAX computes on the first one anyway."""
    gpus = _list_gpus()
    if len(gpus) < 2:
        return
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        try:
            tf.config.set_visible_devices(tf.config.get_visible_devices("GPU")[:1], "GPU")
        except RuntimeError:  # GPUs are already in use, as in a notebook
            logger.warning("this process already uses %s GPUs, so training keeps all of them", len(gpus))
            return
    logger.info(
        "GPU: %s, the first of %s; the others stay free. Set CUDA_VISIBLE_DEVICES to choose another one.",
        gpus[0][0],
        len(gpus),
    )


def _list_gpus() -> list[tuple[str, float | None]]:
    """List the GPUs that Keras's backend uses: name, and compute capability if known."""
    if keras.backend.backend() == "jax":
        import jax

        gpus = [gpu for gpu in jax.devices() if gpu.platform != "cpu"]
        capabilities = [getattr(gpu, "compute_capability", None) for gpu in gpus]
        return [(gpu.device_kind, float(v) if v else None) for gpu, v in zip(gpus, capabilities, strict=True)]
    if keras.backend.backend() != "tensorflow":
        return []
    import tensorflow as tf

    details = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.get_visible_devices("GPU")]
    versions = [gpu.get("compute_capability", (0, 0)) for gpu in details]
    return [
        (gpu.get("device_name", "GPU"), major + minor / 10)
        for gpu, (major, minor) in zip(details, versions, strict=True)
    ]


def is_out_of_memory(error: BaseException | None) -> bool:
    """Return whether an error, or one of its causes, means that a device or this machine ran out of memory."""
    while error is not None:
        text = f"{type(error).__name__}: {error}"
        if isinstance(error, MemoryError) or (OUT_OF_MEMORY.search(text) and not DISK_IS_FULL.search(text)):
            return True
        error = error.__cause__ or error.__context__  # Keras wraps the error of the device in its own
    return False


def choose_precision(setting: str) -> tuple[str, str]:
    """Return the dtype policy and the reason: mixed precision on a GPU that is faster with it, else float32."""
    if setting != "auto":
        return setting, Message("set in the experiment")
    name, capability = get_device()
    if capability is None:
        return "float32", Message("{name}: no GPU of known compute capability", name=name)
    # bfloat16 has float32's range, so small gradients don't vanish; it needs Ampere (8.0) or newer
    policy = "mixed_bfloat16" if capability >= 8 else "mixed_float16" if capability >= 7 else "float32"
    return policy, Message("{name}, compute capability {capability:.1f}", name=name, capability=capability)


def choose_compile(setting: str) -> tuple[bool | str, str]:
    """Return whether XLA compiles training steps, as Keras's `jit_compile`, and the reason.

    On a CPU, XLA slows convolutions, takes seconds to compile, and speeds up recurrent networks too little to make up
    for it (`make bench ARGS=training`). JAX always compiles.
    """
    if keras.backend.backend() != "tensorflow":
        return "auto", Message("the default of {backend}", backend=keras.backend.backend())
    if setting != "auto":
        return setting == "xla", Message("set in the experiment")
    name, capability = get_device()
    if capability is not None:
        return "auto", Message("{name}: the default of Keras", name=name)
    return False, Message("{name}: compiling takes longer than XLA saves", name=name)


def get_device() -> tuple[str, float | None]:
    """Return the device's name, and a GPU's compute capability, or None for a CPU."""
    return next((gpu for gpu in _list_gpus() if gpu[1] is not None), ("CPU", None))


def convert_to_float32(model: Any, policy: str, is_copied: bool = False) -> Any:
    """Convert a model trained in mixed precision to float32, so that predictions don't depend on the machine.

    The weights are float32 already. ONNX can't mix both precisions.

    Parameters
    ----------
    policy : the dtype policy of the training
    is_copied : whether several devices have copies of the model; then one for this process is made
    """
    if policy == "float32" and not is_copied:
        return model
    keras.config.set_dtype_policy("float32")
    table = keras.saving.serialize_keras_object(model)
    table.pop("compile_config", None)  # Keras could not find a custom loss by name, and prediction needs none
    text = json.dumps(table).replace(policy, "float32")
    copy = keras.saving.deserialize_keras_object(json.loads(text))
    copy.set_weights(model.get_weights())  # float32 under every policy
    return copy
