"""Estimators for scikit-learn: LSTMClassifier and LSTMRegressor, on sequences of any lengths.
scikit-learn's grid searches, folds and pipelines take them as they take its own."""

try:
    import sklearn as _needed  # noqa: F401
except ImportError:
    raise ImportError(
        "minilstm.sklearn needs scikit-learn, which is not installed: "
        "pip install 'minilstm[sklearn]'."
    ) from None

from minilstm.sklearn.classifier import LSTMClassifier as LSTMClassifier
from minilstm.sklearn.regressor import LSTMRegressor as LSTMRegressor

__all__ = ["LSTMClassifier", "LSTMRegressor"]
