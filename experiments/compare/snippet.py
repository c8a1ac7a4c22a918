"""The code that runs the recommended model on the user's own numbers."""

from typing import Any

import numpy as np

from rnnshare.tasks import Arrays, Task
from rnnshare.training import Setting

MODEL, SCALING = "model.npz", "scaling.npz"


def snippet(setting: Setting, task: Task, arrays: Arrays) -> str:
    """Returns code that builds a model, loads its weights, and answers."""
    sharing = repr(setting.sharing)
    tokens = f", num_tokens={task.num_tokens}" if task.num_tokens else ""
    scaled, answer = "x", 'scaling["classes"][y.argmax(-1)]'
    if task.num_tokens is None:
        scaled = '(x - scaling["input_mean"]) / scaling["input_deviation"]'
    if arrays.classes is None:
        answer = 'y * scaling["target_deviation"] + scaling["target_mean"]'
    kind = "np.int32" if task.num_tokens else "np.float32"
    shape = "" if task.num_tokens else f", {task.in_features}"
    lines = [
        "import numpy as np",
        "from flax import nnx",
        f"from rnnshare import GRUCell, SequenceModel, {sharing.partition('(')[0]}",
        "from rnnshare.cells.blueprint import pure_params",
        "from rnnshare.training import load_params",
        "",
        "model = SequenceModel(",
        f"    GRUCell, {task.in_features}, {setting.hidden_features}, "
        f"{task.out_features}, [{sharing}],",
        f"    readout={task.readout!r}{tokens}, rngs=nnx.Rngs(0),",
        ")",
        f'nnx.update(model, load_params("{MODEL}", pure_params(model)))',
        f'scaling = np.load("{SCALING}")',
        "",
        f"def predict(x, lengths=None):  # x: [sequences, {task.num_steps}{shape}]",
        f"    x = np.asarray({scaled}, {kind})",
        "    y = np.asarray(model(x, seq_lengths=lengths))",
        f"    return {answer}",
    ]
    return "\n".join(f"    {line}".rstrip() for line in lines)


def scaling_of(arrays: Arrays) -> dict[str, Any]:
    """Returns what the snippet measures numbers by, and the names of the classes."""
    found: dict[str, Any] = arrays.scaling(0)
    if arrays.classes is not None:
        found["classes"] = np.array(arrays.classes)
    return found
