"""How well a model predicts text, and how close it stays to another: checkpoints, quantized ones, compiled packages."""

from tyllm.evaluate.evaluate_models import evaluate
from tyllm.evaluate.evaluation import Closeness, Estimate, Evaluation, Quality

__all__ = ["Closeness", "Estimate", "Evaluation", "Quality", "evaluate"]
