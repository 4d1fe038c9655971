"""Measures how well a model predicts text, and how close it is to another: checkpoints, quantized ones, packages."""

from tyllm.evaluate.evaluate_models import evaluate
from tyllm.evaluate.evaluation import Closeness, Estimate, Evaluation, Quality

__all__ = ["Closeness", "Estimate", "Evaluation", "Quality", "evaluate"]
