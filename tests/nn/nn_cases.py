"""Modules compared with PyTorch: how they are made and what they are given. `F` stands for float inputs of a shape."""

from __future__ import annotations

import numpy as np

CASES = [  # name, constructor arguments, input shapes (or lists of whole numbers), call arguments
    ("Linear", (5, 3), [(2, 4, 5)], {}),
    ("Bilinear", (3, 4, 2), [(5, 3), (5, 4)], {}),
    ("PReLU", (4,), [(2, 4, 3)], {}),
    ("Softmax", (1,), [(2, 4)], {}),
    ("GLU", (), [(3, 6)], {}),
    ("LayerNorm", ([3, 4],), [(2, 3, 4)], {}),
    ("RMSNorm", (4,), [(2, 3, 4)], {}),
    ("GroupNorm", (2, 4), [(3, 4, 5)], {}),
    ("BatchNorm1d", (4,), [(6, 4)], {}),
    ("BatchNorm2d", (3,), [(2, 3, 4, 4)], {}),
    ("InstanceNorm2d", (3,), [(2, 3, 4, 4)], {}),
    ("Conv1d", (3, 4, 3), [(2, 3, 8)], {}),
    ("Conv2d", (2, 4, 3, 2, 1), [(2, 2, 7, 6)], {}),
    ("ConvTranspose2d", (4, 2, 3, 2), [(2, 4, 3, 3)], {}),
    ("MaxPool2d", (2,), [(2, 3, 6, 4)], {}),
    ("AvgPool2d", (3, 1, 1), [(2, 3, 5, 5)], {}),
    ("AdaptiveAvgPool2d", (2,), [(2, 3, 5, 4)], {}),
    ("ReflectionPad2d", (1,), [(1, 2, 3, 3)], {}),
    ("PixelShuffle", (2,), [(1, 8, 2, 3)], {}),
    ("Embedding", (10, 4, 2), [[1, 2, 9, 0]], {}),
    ("RNN", (3, 4), [(5, 2, 3)], {}),
    ("LSTM", (3, 4, 2, True, True, 0.0, True), [(2, 5, 3)], {}),
    ("GRU", (3, 4, 1, False), [(5, 2, 3)], {}),
    ("LSTMCell", (3, 4), [(2, 3)], {}),
    ("GRUCell", (3, 4), [(2, 3)], {}),
    ("MultiheadAttention", (8, 2), [(3, 2, 8), (4, 2, 8), (4, 2, 8)], {}),
    ("TransformerEncoderLayer", (8, 2, 16, 0.0), [(3, 2, 8)], {}),
    ("TransformerDecoderLayer", (8, 2, 16, 0.0), [(3, 2, 8), (4, 2, 8)], {}),
    ("CrossEntropyLoss", (), [(4, 3), [0, 2, 1, 1]], {}),
    ("NLLLoss", (), [(4, 3), [0, 2, 1, 1]], {}),
    ("MSELoss", (), [(4, 3), (4, 3)], {}),
    ("SmoothL1Loss", (), [(4, 3), (4, 3)], {}),
    ("HuberLoss", (), [(4, 3), (4, 3)], {}),
    ("KLDivLoss", (), [(4, 3), (4, 3)], {}),
    ("BCEWithLogitsLoss", (), [(4, 3), (4, 3)], {}),
    ("TripletMarginLoss", (), [(4, 3), (4, 3), (4, 3)], {}),
    ("CosineSimilarity", (), [(4, 3), (4, 3)], {}),
    ("LinearCrossEntropyLoss", (5, 4), [(3, 5), [0, 2, 3]], {}),
]

REPRS = [
    ("LinearCrossEntropyLoss", (5, 4), {"out_features": (3, 2), "label_smoothing": 0.1}),
    ("Linear", (3, 2), {}),
    ("Linear", (3, 2), {"bias": False}),
    ("Bilinear", (3, 4, 2), {}),
    ("Identity", (54,), {}),
    ("Dropout", (0.2,), {}),
    ("ReLU", (True,), {}),
    ("LeakyReLU", (0.2,), {}),
    ("GELU", (), {"approximate": "tanh"}),
    ("Softmax", (1,), {}),
    ("Hardtanh", (-2, 2), {}),
    ("Flatten", (), {}),
    ("Unflatten", (1, (2, 3)), {}),
    ("Embedding", (10, 3), {"padding_idx": 0}),
    ("LayerNorm", (4,), {}),
    ("BatchNorm2d", (4,), {}),
    ("InstanceNorm1d", (4,), {}),
    ("GroupNorm", (2, 4), {}),
    ("Conv2d", (3, 4, 3), {}),
    ("Conv2d", (4, 4, (3, 5)), {"stride": 2, "padding": 1, "dilation": 2, "groups": 2, "bias": False}),
    ("Conv1d", (3, 4, 3), {"padding": "same", "padding_mode": "circular"}),
    ("ConvTranspose2d", (3, 4, 3), {"stride": 2, "output_padding": 1}),
    ("MaxPool2d", (2,), {}),
    ("AvgPool1d", (2,), {}),
    ("AvgPool2d", (2,), {}),
    ("AdaptiveAvgPool2d", ((1, 1),), {}),
    ("Upsample", (), {"scale_factor": 2}),
    ("ZeroPad2d", (1,), {}),
    ("LSTM", (3, 4, 2), {"batch_first": True, "bidirectional": True, "dropout": 0.5}),
    ("GRUCell", (3, 4), {}),
    ("MSELoss", (), {}),
    ("TransformerEncoderLayer", (8, 2), {}),
]


def inputs(case: int) -> list[np.ndarray]:
    """Fixed inputs of a case."""
    rng = np.random.RandomState(case)
    return [np.array(s) if isinstance(s, list) else rng.standard_normal(s).astype(np.float32) for s in CASES[case][2]]


def weight(case: int, number: int, shape) -> np.ndarray:
    """Fixed values of a module's tensor."""
    rng = np.random.RandomState(1000 * case + number)
    return rng.uniform(0.2, 0.9, shape).astype(np.float32) * rng.choice([-1, 1], shape).astype(np.float32)


def is_variance(name: str) -> bool:
    return name.endswith("running_var")
