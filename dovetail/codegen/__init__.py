"""Graph to loops to LLVM IR, emitted as text (several times quicker than llvmlite's builder objects)."""
