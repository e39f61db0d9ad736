"""The ceiling: products of square matrices, in GFLOP/s of this machine.

    python -m benchmarks.peers.matmul --threads 2 --precision bfloat16

The largest of several sizes, each the median of its repetitions: what a network's products could
reach if they were all large and nothing stood between them.
"""

import argparse
import json
import os
import time
from statistics import median

import torch

SIZES = (1024, 2048, 4096)
REPETITIONS = 5


def rate(size: int, dtype: torch.dtype) -> float:
    """GFLOP/s of a size × size product, the median of the repetitions."""
    left, right = (torch.randn(size, size).to(dtype) for _ in range(2))
    left @ right
    spent = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        left @ right
        spent.append(time.perf_counter() - start)
    return 2 * size**3 / median(spent) / 1e9


def ceiling(threads: int, precision: str) -> dict[str, float]:
    """The best rate in this format alone: without hardware for it, bfloat16 takes minutes."""
    torch.set_num_threads(threads)
    return {precision: max(rate(size, getattr(torch, precision)) for size in SIZES)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    asked = parser.parse_args()
    print(json.dumps(ceiling(asked.threads, asked.precision)))
