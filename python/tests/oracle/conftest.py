import sys

# PyTorch imports Triton when it can, and Triton and TensorFlow each bring an LLVM: together in one process they abort.
# Nothing here needs Triton.
sys.modules["triton"] = None
