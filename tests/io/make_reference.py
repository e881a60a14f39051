"""Writes written_by_torch.pt, a small checkpoint as PyTorch saves it: python tests/io/make_reference.py"""

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
