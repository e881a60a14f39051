"""Write reference.json: torch's answers to distribution_cases.py and its slopes of gamma draws. Needs torch.

    python tests/distributions/make_reference.py
"""

import json
import sys
from pathlib import Path

import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from distribution_cases import answers  # noqa: E402

SLOPES = [[a, z] for a in (0.05, 0.5, 1.0, 3.0, 40.0) for z in (a * 0.2, a, a * 2.5)]

if __name__ == "__main__":
    found = {name: value.tolist() for name, value in answers(torch.distributions, torch.tensor).items()}
    a, z = torch.tensor(SLOPES, dtype=torch.float64).T
    found["gamma slopes"] = [SLOPES, torch._standard_gamma_grad(a, z).tolist()]
    (HERE / "reference.json").write_text(json.dumps(found, indent=0) + "\n")
