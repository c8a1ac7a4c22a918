"""What the library exports, scripts know, and figures have a colour for."""

import dataclasses

from experiments.lab import choices
from rnnshare import ElmanCell, sharing
from rnnshare.plotting.style import COLOURS
from tests.library import law_cases

PUBLIC = {
    name for name in sharing.__all__ if dataclasses.is_dataclass(getattr(sharing, name))
}
BY_HAND = {"Partition"}  # of parts, which no flag can name


def test_every_sharing_has_a_colour_a_name_and_its_laws():
    assert set(COLOURS) == PUBLIC, "Give it a colour in rnnshare/plotting/style.py."
    made = {type(choices.sharing_of(flag, 6)).__name__ for flag in choices.SHARINGS}
    assert made == PUBLIC - BY_HAND, "Name it in experiments/lab/choices.py."
    laws = {
        type(one).__name__
        for one in [*law_cases.SHARINGS.values(), *law_cases.FORMS.values()]
    }
    assert laws == PUBLIC, "Add a line to tests/library/law_cases.py."


def test_every_cell_has_its_name():
    assert {name.lower() for name in choices.cells()} == set(choices.CELLS)
    assert choices.cell_of("elman") is ElmanCell
    assert list(choices.standard_cells(*choices.FEW)) == list(choices.FEW)
