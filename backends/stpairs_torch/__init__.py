"""The PyTorch backend: small C3D, pair head, hinge, Adam, ONNX out. Entry point `stpairs_torch:backend`."""

from stpairs_torch.c3d import C3D, PairHead, PairNetwork, initialise
from stpairs_torch.devices import TorchBackend
from stpairs_torch.encoder import TorchEncoder
from stpairs_torch.learner import TorchLearner

__all__ = ["C3D", "PairHead", "PairNetwork", "TorchBackend", "TorchEncoder", "TorchLearner", "backend", "initialise"]

backend = TorchBackend()
"""What the entry point `torch` of `stpairs.backends` gives."""
