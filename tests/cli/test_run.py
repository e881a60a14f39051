"""`dovetail run` behaves as `python` does, and shows the user's own frames only."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]


def python(folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess:
    """This interpreter with our package on its path."""
    path = os.pathsep.join(filter(None, [env.pop("PYTHONPATH", ""), str(REPO)]))
    surroundings = {**os.environ, "PYTHONPATH": path, "DOVETAIL_FULL_TRACE": "", **env}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, timeout=120, env=surroundings
    )


def run(folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess:
    """`dovetail run words...`"""
    return python(folder, "-m", "dovetail.cli.main", "run", *words, **env)


def write(folder: Path, name: str, text: str) -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(textwrap.dedent(text))
    return name


def test_the_process_is_as_python_leaves_it(tmp_path):
    """argv, __main__, __file__, the script's folder first on the path; word for word what `python` says."""
    write(tmp_path, "sub/neighbour.py", "WORD = 'found'")
    write(
        tmp_path,
        "sub/script.py",
        """
        import os, sys, neighbour
        folder = os.path.basename(sys.path[0])
        print(sys.argv, __name__, __file__, folder, neighbour.WORD, __doc__, __spec__, __package__)
        print(sys.modules["__main__"].__dict__ is globals(), sorted(n for n in globals() if n.startswith("__")))
        """,
    )
    words = ("sub/script.py", "--epochs", "3", "-h")
    ours, real = run(tmp_path, *words), python(tmp_path, *words)
    assert (ours.returncode, ours.stderr) == (0, "") and ours.stdout.splitlines()[0] == real.stdout.splitlines()[0]
    assert ours.stdout.splitlines()[1] == real.stdout.splitlines()[1]


def test_pythonpath_and_sitecustomize(tmp_path):
    write(tmp_path, "extra/sitecustomize.py", "import builtins; builtins.from_site = 'site'")
    write(tmp_path, "extra/helper.py", "WORD = 'helper'")
    write(tmp_path, "main.py", "import helper; print(from_site, helper.WORD)")
    assert run(tmp_path, "main.py", PYTHONPATH=str(tmp_path / "extra")).stdout == "site helper\n"


@pytest.mark.parametrize("code, status", [("pass", 0), ("import sys; sys.exit(7)", 7), ("exit('bye')", 1), ("1/0", 1)])
def test_exit_status(tmp_path, code, status):
    write(tmp_path, "main.py", code)
    assert run(tmp_path, "main.py").returncode == status


def test_an_error_of_the_script_itself(tmp_path):
    write(tmp_path, "main.py", "def f():\n    return {}['key']\n\nf()\n")
    ours, real = run(tmp_path, "main.py"), python(tmp_path, "main.py")
    assert ours.stderr.replace(str(tmp_path), "") == real.stderr.replace(str(tmp_path), "")


def test_a_syntax_error(tmp_path):
    write(tmp_path, "main.py", "x = 1\ny = = 2\n")
    ours, real = run(tmp_path, "main.py"), python(tmp_path, "main.py")
    assert ours.returncode == 1 and ours.stderr.replace(str(tmp_path) + os.sep, "") == real.stderr.replace(
        str(tmp_path) + os.sep, ""
    )


def test_no_script(tmp_path):
    result = run(tmp_path, "missing.py")
    assert result.returncode == 2 and "missing.py" in result.stderr and "Traceback" not in result.stderr
    assert run(tmp_path).returncode == 2


def test_a_module(tmp_path):
    write(tmp_path, "pack/__init__.py", "")
    write(tmp_path, "pack/start.py", "import sys, torch; print(__name__, sys.argv[1:], torch.__version__)")
    assert run(tmp_path, "-m", "pack.start", "a").stdout == "__main__ ['a'] 2.13.0+dovetail\n"


def test_only_the_users_frames_are_shown(tmp_path):
    write(
        tmp_path,
        "main.py",
        """
        import torch
        import torch.nn as nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc1 = nn.Linear(784, 64)

            def forward(self, x):
                return self.fc1(x)

        Net()(torch.zeros(32, 100))
        """,
    )
    result = run(tmp_path, "main.py")
    assert result.returncode == 1
    frames = [row for row in result.stderr.splitlines() if row.lstrip().startswith("File ")]
    assert [row.split(",")[1].strip() for row in frames] == ["line 13", "line 11"] and "784" in result.stderr
    assert "\nShapeError: " in result.stderr
    full = run(tmp_path, "main.py", DOVETAIL_FULL_TRACE="1")
    assert full.stderr.count("File ") > len(frames)


def test_names_that_are_not_covered(tmp_path):
    write(tmp_path, "attribute.py", "import torch\ntorch.nn.Linaer(3, 4)\n")
    write(tmp_path, "name.py", "from torch.nn import Linaer\n")
    write(tmp_path, "module.py", "import torch.nn.functionel\n")
    write(tmp_path, "elsewhere.py", "import torch\ntorch.Linear(3, 4)\n")
    for script, near in (
        ("attribute.py", "torch.nn.Linear"),
        ("name.py", "torch.nn.Linear"),
        ("module.py", "torch.nn.functional"),
        ("elsewhere.py", "torch.nn.Linear"),
    ):
        result = run(tmp_path, script)
        assert result.returncode == 1 and "NotCovered" in result.stderr and near in result.stderr, result.stderr
        assert len(result.stderr.splitlines()) <= 7, result.stderr


def test_scripts_that_try_before_they_use(tmp_path):
    write(
        tmp_path,
        "main.py",
        """
        import torch
        print(hasattr(torch, "no_such_name"), getattr(torch, "no_such_name", "nothing"))
        try:
            import torch.no_such_module
        except ImportError:
            print("import error")
        try:
            from torch import no_such_name
        except ImportError:
            print("import error")
        print(tuple(map(int, torch.__version__.split("+")[0].split("."))) >= (2, 0), torch.version.cuda)
        print(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        """,
    )
    result = run(tmp_path, "main.py")
    assert result.stdout == "False nothing\nimport error\nimport error\nTrue None\ncpu\n", result.stderr


def test_our_own_names_do_not_seem_to_be_torchs(tmp_path):
    write(tmp_path, "main.py", "import torch; print([n for n in ('keras', 'datasets', 'vision') if hasattr(torch, n)])")
    assert run(tmp_path, "main.py").stdout == "[]\n"


def test_import_dovetail_changes_no_import(tmp_path):
    code = "import sys, dovetail; print([f for f in sys.meta_path if 'dovetail' in type(f).__module__])"
    assert python(tmp_path, "-c", code).stdout == "[]\n"


def test_a_small_torchvision_of_the_programs_own(tmp_path):
    """Beside the script or on PYTHONPATH the program's own package answers; without one, ours."""
    write(tmp_path, "main.py", "import torchvision; print(torchvision.__version__, hasattr(torchvision, 'datasets'))")
    assert run(tmp_path, "main.py").stdout == "0.28.0+dovetail True\n"
    write(tmp_path, "lib/torchvision/__init__.py", "import torch\n__version__ = str(torch.ones(2).sum().item())")
    assert run(tmp_path, "main.py", PYTHONPATH=str(tmp_path / "lib")).stdout == "2.0 False\n"


def test_modules_on_top_of_torch(tmp_path):
    """A third-party module that imports torch and numpy works, a table of layers and TensorBoard too."""
    write(
        tmp_path,
        "lib/thing.py",
        """
        import numpy as np
        import torch.nn as nn
        from torch import Tensor

        class Head(nn.Module):
            def __init__(self, n: int):
                super().__init__()
                self.fc = nn.Linear(n, 1)

            def forward(self, x: Tensor) -> Tensor:
                return self.fc(x) + np.float32(1.0)
        """,
    )
    write(
        tmp_path,
        "main.py",
        """
        import torch
        from thing import Head
        from torchinfo import summary
        from torchtext.data.utils import get_tokenizer
        from torchtext.vocab import build_vocab_from_iterator

        print(summary(Head(3), (2, 3), verbose=0).total_params, tuple(Head(3)(torch.ones(2, 3)).shape))
        words = build_vocab_from_iterator([get_tokenizer("basic_english")("A b a.")])
        print(words.get_itos())
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise SystemExit(0)
        """,
    )
    result = run(tmp_path, "main.py", PYTHONPATH=str(tmp_path / "lib"))
    assert result.stdout == "4 (2, 1)\n['a', '.', 'b']\n", result.stderr


def test_spawned_processes_are_answered_too(tmp_path):
    """A fresh interpreter would import another torch, or none."""
    write(
        tmp_path,
        "main.py",
        """
        import torch, torch.multiprocessing as mp
        from torch.utils.data import DataLoader, Dataset

        class Numbers(Dataset):
            def __len__(self): return 4
            def __getitem__(self, i): return torch.tensor([i]), torch.__version__

        def work(index, queue): queue.put((index, torch.__version__))

        if __name__ == "__main__":
            queue = mp.get_context("spawn").SimpleQueue()
            mp.spawn(work, args=(queue,), nprocs=1)
            print(queue.get())
            for numbers, versions in DataLoader(Numbers(), 4, num_workers=1, multiprocessing_context="spawn"):
                print(numbers.flatten().tolist(), set(versions))
        """,
    )
    made = run(tmp_path, "main.py")
    assert made.stdout == "(0, '2.13.0+dovetail')\n[0, 1, 2, 3] {'2.13.0+dovetail'}\n", made.stderr


def test_sizes_and_dtypes_print_as_the_program_expects(tmp_path):
    """A program that imports torch sees torch's names; one that imports dovetail sees ours."""
    text = "x = {0}.zeros(2, 3, dtype={0}.float64)\nprint(x.shape, x.dtype, {0}.tensor([1], dtype={0}.int32), x.layout)"
    for name in ("torch", "dovetail"):
        write(tmp_path, "sizes.py", f"import {name}\n" + text.format(name))
        said = f"{name}.Size([2, 3]) {name}.float64 tensor([1], dtype={name}.int32) {name}.strided\n"
        assert run(tmp_path, "sizes.py").stdout == said
