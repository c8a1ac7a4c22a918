"""Flax models: a layer over time, a sequence model, and what they cost."""

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
from rnnshare.models.sizing import (
    count_flops,
    count_parameters,
    match_width,
)

__all__ = [
    "RNN",
    "BagOfSteps",
    "EncoderDecoder",
    "SequenceModel",
    "count_flops",
    "count_parameters",
    "match_width",
]
