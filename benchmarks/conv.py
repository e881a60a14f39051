"""Convolutions and their gradients on one core: `python benchmarks/conv.py [--torch] [shape ...]`.

A shape is BxCxHxW:OxKxK:stride:padding. Medians of CPU time; with --torch (where torch is installed) the same layers
in torch, channels last. Layers by default: the MNIST CNN's and a ResNet-18's at batch 32.
"""

from __future__ import annotations

import os
import sys
import time
from statistics import median

os.environ["DOVETAIL_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np  # noqa: E402

LAYERS = [
    "64x1x28x28:32x3x3:1:0", "64x32x26x26:64x3x3:1:0", "32x3x32x32:64x3x3:1:1", "32x64x32x32:64x3x3:1:1",
    "32x64x32x32:128x3x3:2:1", "32x64x32x32:128x1x1:2:0", "32x128x16x16:128x3x3:1:1", "32x256x8x8:256x3x3:1:1",
    "32x512x4x4:512x3x3:1:1",
]


def parse(shape: str):
    image, weight, stride, padding = shape.split(":")
    n, c, h, w = map(int, image.split("x"))
    o, kh, kw = map(int, weight.split("x"))
    return (n, c, h, w), (o, c, kh, kw), int(stride), int(padding)


def spent(function, rounds: int = 7) -> float:
    """Milliseconds of CPU time, the median."""
    function()
    taken = []
    for _ in range(rounds):
        start = time.process_time_ns()
        function()
        taken.append((time.process_time_ns() - start) / 1e6)
    return median(taken)


def ours(shape: str) -> list[float]:
    """Forward, input gradient, weight gradient, each as a program of its own. Images lie channels last."""
    from dovetail.base import dtypes
    from dovetail.engine import program
    from dovetail.ir.core import Graph, Value, building
    from dovetail.prims.conv import conv, conv_input_grad, conv_weight_grad
    from dovetail.prims.shape import transpose

    image, weight, stride, padding = parse(shape)
    given = dict(stride=(stride,) * 2, padding=((padding, padding),) * 2, dilation=(1, 1), groups=1)
    counts = [(n + 2 * padding - k) // stride + 1 for n, k in zip(image[2:], weight[2:], strict=True)]
    last, out = (image[0], *image[2:], image[1]), (image[0], *counts, weight[0])
    kinds = {
        "forward": ((last, weight), lambda x, w: show(conv(turn(x), w, **given))),
        "input": ((out, weight), lambda g, w: show(conv_input_grad(turn(g), w, size=image[2:], **given))),
        "weight": ((out, last), lambda g, x: conv_weight_grad(turn(g), turn(x), size=weight[2:], **given)),
    }

    def turn(x):
        return transpose(x, perm=(0, 3, 1, 2))

    def show(x):
        return transpose(x, perm=(0, 2, 3, 1))

    times = []
    for shapes, function in kinds.values():
        inputs = [Value(s, dtypes.float32) for s in shapes]
        with building() as nodes:
            result = function(*inputs)
        made = program.compile(Graph(inputs, nodes, [result]))
        rng = np.random.default_rng(0)
        arrays = [rng.standard_normal(s, dtype=np.float32) for s in shapes]
        space = np.empty(result.shape, np.float32)
        places = [x.ctypes.data for x in arrays], [space.ctypes.data]
        times.append(spent(lambda made=made, places=places: made.run(*places)))
    return times


def torch_times(shape: str) -> list[float]:
    import torch

    torch.set_num_threads(1)
    image, weight, stride, padding = parse(shape)
    x = torch.randn(image).to(memory_format=torch.channels_last)
    w = torch.randn(weight).to(memory_format=torch.channels_last)
    g = torch.nn.functional.conv2d(x, w, None, stride, padding)
    with torch.no_grad():
        forward = spent(lambda: torch.nn.functional.conv2d(x, w, None, stride, padding))
        found = []
        for which in ([True, False, False], [False, True, False]):
            found.append(spent(lambda which=which: torch.ops.aten.convolution_backward(
                g, x, w, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1, which)))
    return [forward, *found]


def main() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    peer = "--torch" in sys.argv
    print(("torch" if peer else "dovetail") + "; ms and GFLOP/s: forward, input gradient, weight gradient")
    for shape in [a for a in sys.argv[1:] if not a.startswith("-")] or LAYERS:
        image, weight, stride, padding = parse(shape)
        counts = [(n + 2 * padding - k) // stride + 1 for n, k in zip(image[2:], weight[2:], strict=True)]
        flops = 2.0 * image[0] * np.prod(counts) * np.prod(weight)
        times = torch_times(shape) if peer else ours(shape)
        print(f"{shape:28}" + "".join(f"{t:9.2f} {flops / t / 1e6:6.1f}" for t in times), flush=True)


if __name__ == "__main__":
    main()
