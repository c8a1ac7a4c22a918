"""Flax models: a layer over time, a stack over depth, models, and what they cost."""

from rnnshare.models.encoder_decoder import (
    EncoderDecoder,
)
from rnnshare.models.rnn import (
    RNN,
)
from rnnshare.models.sequence_model import (
    BagOfSteps,
    SequenceModel,
)
from rnnshare.models.shared_module import (
    SharedModule,
)
from rnnshare.models.sizing import (
    count_flops,
    count_parameters,
    match_width,
)
from rnnshare.models.stack import (
    Stack,
)

__all__ = [
    "RNN",
    "BagOfSteps",
    "EncoderDecoder",
    "SequenceModel",
    "SharedModule",
    "Stack",
    "count_flops",
    "count_parameters",
    "match_width",
]
