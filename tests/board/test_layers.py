"""The table of layers: shapes, numbers of parameters, what it takes."""

from __future__ import annotations

import pytest

import dovetail
from dovetail import nn
from dovetail.base.errors import ArgumentError
from dovetail.board.layers import summary


def network():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 10))


def test_summary(capsys):
    model = network()
    model[0].weight.requires_grad_(False)
    found = summary(model, (2, 1, 8, 8))
    assert (found.total_params, found.trainable_params) == (40 + 1450, 1490 - 36)
    shown = capsys.readouterr().out
    assert "├─Conv2d: 1-1" in shown and "[2, 4, 6, 6]" in shown and "Total params: 1,490" in shown
    assert [row.output_size for row in found.summary_list] == [[2, 10], [2, 4, 6, 6], [2, 4, 6, 6], [2, 144], [2, 10]]
    assert model.training


def test_what_it_takes(capsys):
    assert summary(nn.LSTM(3, 4), input_data=dovetail.rand(5, 1, 3), verbose=0).summary_list[0].output_size == [5, 1, 4]
    assert summary(network(), (1, 8, 8), batch_dim=0, verbose=0).summary_list[0].output_size == [1, 10]
    whole = [dovetail.int64]
    assert summary(nn.Embedding(7, 2), (3, 4), dtypes=whole, verbose=0).summary_list[0].output_size == [3, 4, 2]
    assert summary(network(), verbose=0).summary_list[1].output_size == []
    assert capsys.readouterr().out == ""
    with pytest.raises(ArgumentError, match="module"):
        summary(3)
