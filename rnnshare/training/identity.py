"""A stand-in: see the branch `identity`."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True, init=False)
class Call:
    """A hashable partial of keyword arguments."""

    function: Any
    items: tuple

    def __init__(self, function: Any, /, **kwargs: Any):
        object.__setattr__(self, "function", function)
        object.__setattr__(self, "items", tuple(sorted(kwargs.items())))

    @property
    def kwargs(self):
        return dict(self.items)

    def __call__(self, *args: Any, **more: Any) -> Any:
        return self.function(*args, **{**self.kwargs, **more})
