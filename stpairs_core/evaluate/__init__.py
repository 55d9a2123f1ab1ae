"""How good scores and features are."""

from stpairs_core.evaluate.factors import FactorRow, factor_table
from stpairs_core.evaluate.probe import chance, effective_rank, linear_probe
from stpairs_core.index import neighbour_accuracy
from stpairs_core.train.metrics import accuracy, auc

__all__ = [
    "FactorRow",
    "accuracy",
    "auc",
    "chance",
    "effective_rank",
    "factor_table",
    "linear_probe",
    "neighbour_accuracy",
]
