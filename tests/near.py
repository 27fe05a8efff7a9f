"""How far computed numbers lie from the wanted ones, measured so that it means the same on every processor.

The last bits of a float depend on the processor: on its BLAS kernel, its vector width and its number of threads. What
they are worth grows with the numbers that were added up, so a difference is measured in shares of the largest wanted
number. float32 carries seven digits: sums of it agree to 1e-5 everywhere; float64 agrees to 1e-9.
"""

import numpy as np


def off(found, wanted):
    """The largest difference as a share of the largest wanted number; not a number where either side is not one."""
    found, wanted = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    assert wanted.ndim == 0 or found.shape == wanted.shape, f"{found.shape} beside {wanted.shape}"
    size = np.abs(wanted).max()
    return np.abs(found - wanted).max() / (size if size != 0 else 1)
