"""Writes small files as PyTorch saves them: python tests/io/make_reference.py

written_by_torch.pt, a checkpoint; older_by_torch.pt, one in the format before 1.6; whole_by_torch.pt, a whole module.
"""

from __future__ import annotations

from pathlib import Path

import torch

if __name__ == "__main__":
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    torch.save(
        {
            "turned": torch.arange(6.0).view(2, 3).t(),
            "parameter": torch.nn.Parameter(torch.ones(2)),
            "half": torch.ones(2, dtype=torch.bfloat16),
            "count": torch.tensor(3),
            "size": torch.Size([1, 2]),
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
        },
        Path(__file__).with_name("written_by_torch.pt"),
    )
    tensors = {"turned": torch.arange(6.0).view(2, 3).t(), "whole": torch.arange(6), "epoch": 3}
    tensors["part"] = tensors["whole"][2:4]
    older = Path(__file__).with_name("older_by_torch.pt")
    torch.save(tensors, older, _use_new_zipfile_serialization=False)
    layers = [torch.nn.LSTM(2, 3), torch.nn.TransformerEncoderLayer(4, 2, 8, activation="gelu", batch_first=True)]
    layers += [torch.nn.Conv2d(1, 2, 3, padding="same"), torch.nn.BatchNorm2d(2)]
    whole = torch.nn.ModuleList(layers).eval()
    x = torch.linspace(-1, 1, 16)
    answers = [
        whole[0](x[:12].view(3, 2, 2))[0],
        whole[1](x.view(2, 2, 4)),
        whole[3](whole[2](x.view(1, 1, 4, 4))),
    ]
    torch.save([whole, x, [a.detach() for a in answers]], Path(__file__).with_name("whole_by_torch.pt"))
