"""The one training loop, studies of many trainings, and the rows they leave."""

from rnnshare.training.checkpoints import Checkpoint, Checkpoints
from rnnshare.training.files import write_atomically
from rnnshare.training.fitting import (
    Fitted,
    fit,
)
from rnnshare.training.identity import describe, key_of
from rnnshare.training.interrupts import Interrupted, deferred, handle_signals
from rnnshare.training.locks import FolderLock, LockedError
from rnnshare.training.loop import (
    Loop,
    Recipe,
    Replica,
    TrainState,
)
from rnnshare.training.memory import keep_memory, release_memory
from rnnshare.training.names import Call, public_name
from rnnshare.training.params_files import load_params, save_params
from rnnshare.training.rows import JsonLines, environment, progress
from rnnshare.training.setting import SCHEMA, ModelFor, Replicate, Setting
from rnnshare.training.study import (
    count_diverged,
    run,
    tune,
)
from rnnshare.training.truncation import (
    Truncation,
)
from rnnshare.training.workers import WorkerError, merge_workers
from rnnshare.training.writers import (
    MetricWriter,
    TensorBoardWriter,
    write_to,
)

__all__ = [
    "SCHEMA",
    "Call",
    "Checkpoint",
    "Checkpoints",
    "Fitted",
    "FolderLock",
    "Interrupted",
    "JsonLines",
    "LockedError",
    "Loop",
    "MetricWriter",
    "ModelFor",
    "Recipe",
    "Replica",
    "Replicate",
    "Setting",
    "TensorBoardWriter",
    "TrainState",
    "Truncation",
    "WorkerError",
    "count_diverged",
    "deferred",
    "describe",
    "environment",
    "fit",
    "handle_signals",
    "keep_memory",
    "key_of",
    "load_params",
    "merge_workers",
    "progress",
    "public_name",
    "release_memory",
    "run",
    "save_params",
    "tune",
    "write_atomically",
    "write_to",
]
