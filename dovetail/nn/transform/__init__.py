"""Functions of functions: gradients, batches, checkpoints and compiled callables (torch.func and its neighbours)."""
