"""The one training loop, studies of many trainings, and the rows they leave."""

from rnnshare.training.fitting import (
    Fitted,
    fit,
)
from rnnshare.training.identity import Call
from rnnshare.training.loop import (
    Loop,
    Recipe,
    Replica,
    TrainState,
)
from rnnshare.training.rows import (
    JsonLines,
    environment,
    load_params,
    progress,
    save_params,
)
from rnnshare.training.study import (
    ModelFor,
    Replicate,
    Setting,
    run,
    tune,
)
from rnnshare.training.truncation import (
    Truncation,
)

__all__ = [
    "Call",
    "Fitted",
    "JsonLines",
    "Loop",
    "ModelFor",
    "Recipe",
    "Replica",
    "Replicate",
    "Setting",
    "TrainState",
    "Truncation",
    "environment",
    "fit",
    "load_params",
    "progress",
    "run",
    "save_params",
    "tune",
]
