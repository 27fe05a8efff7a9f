"""Ask the exported model in this folder about the inputs in example.npz, and compare with the run's own scores.

It needs numpy and what runs the model: onnxruntime for model.onnx, ai-edge-litert (or tensorflow) for model.tflite,
tensorflow for saved_model. Where librosa is installed, the features of the example sound are computed as README.md
says; those of a spectrogram with numpy alone.
"""

import importlib.util
import json
import os
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).parent
TOLERANCE = 1e-4


def predict(clips):
    """The model's raw scores, one clip at a time where it takes one only."""
    if (HERE / "model.onnx").exists():
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else it may report to its maker
        import onnxruntime

        session = onnxruntime.InferenceSession(str(HERE / "model.onnx"), providers=["CPUExecutionProvider"])
        return session.run(["scores"], {session.get_inputs()[0].name: clips})[0]
    if (HERE / "model.tflite").exists():
        return predict_with_litert(clips)
    import tensorflow

    loaded = tensorflow.saved_model.load(str(HERE / "saved_model"))  # named: it must outlive the call
    return np.asarray(loaded.serve(clips))


def predict_with_litert(clips):
    """As `predict`, by LiteRT with nothing but its own operations."""
    if importlib.util.find_spec("ai_edge_litert"):
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    else:
        from tensorflow.lite.python.interpreter import Interpreter, OpResolverType
    interpreter = Interpreter(
        str(HERE / "model.tflite"), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    found = []
    for clip in clips:
        interpreter.set_tensor(taken, clip[None])
        interpreter.invoke()
        found.append(interpreter.get_tensor(given)[0].copy())
    return np.stack(found)


def compute_features(y, settings):
    """The features of a sound by librosa, [shape=(n_frames, n_bins)]."""
    import librosa

    names = ("n_fft", "hop_length", "n_mels", "fmin")
    power = librosa.feature.melspectrogram(
        y=y,
        sr=settings["sample_rate"],
        center=False,
        fmax=settings["fmax"] or None,
        **{name: settings[name] for name in names},
    )
    decibels = librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None)
    if "n_mfcc" in settings:
        decibels = librosa.feature.mfcc(S=decibels, n_mfcc=settings["n_mfcc"])
    return decibels.T


def compute_spectrogram(y, settings):
    """The picture of a sound, [shape=(n_columns, n_bins)], 0 to 255."""
    n_fft, hop = 2 * (settings["n_bins"] - 1), settings["hop_length"]
    step, hann = n_fft // 2, np.hanning(n_fft + 1)[:-1]
    columns = []
    for begin in range(0, len(y) - n_fft + 1, hop):
        places = [place for place in range(begin, begin + hop, step) if place + n_fft <= len(y)]
        power = np.abs(np.fft.rfft([y[place : place + n_fft] * hann for place in places])) ** 2
        columns.append(10 * np.log10(np.maximum(power, 1e-13)))
    low, high = min(one.min() for one in columns), max(one.max() for one in columns)
    drawn = [one.mean(axis=0) if settings["averaged"] else one[len(one) // 2] for one in columns]
    return (np.stack(drawn) - low) / max(high - low, 1e-9) * 255


def main():
    """Print the differences; 1 if one is too large."""
    example = np.load(HERE / "example.npz")
    gap = float(np.abs(predict(example["clips"]) - example["raw"]).max())
    print(f"raw scores differ by at most {gap:.2g} (allowed: {TOLERANCE:g})")
    right = gap <= TOLERANCE
    serving = json.loads((HERE / "serving.json").read_text(encoding="utf-8"))
    settings = serving["features"]
    if serving["kind"] == "spectrogram":
        apart = float(np.abs(compute_spectrogram(example["y"], settings) - example["features"]).max())
        print(f"the example sound, drawn here, differs by at most {apart:.2g} of 255 (allowed: 0.01)")
        right = right and apart <= 0.01
    elif "y" in example and importlib.util.find_spec("librosa"):
        apart = float(np.abs(compute_features(example["y"], settings) - example["features"]).max())
        print(f"librosa's features differ by at most {apart:.2g} dB (allowed: 0.01)")
        right = right and apart <= 0.01
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
