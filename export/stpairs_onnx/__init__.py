"""Encoders as ONNX files: published after a check, and run through ONNX Runtime. No training framework is needed."""

from stpairs_onnx.encoder import OnnxEncoder
from stpairs_onnx.publishing import publish
from stpairs_onnx.runtime import runtime

__all__ = ["OnnxEncoder", "publish", "runtime"]
