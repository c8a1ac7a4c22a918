"""How one replica lies over several devices: its batches, and its stacks of weights."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec

AXIS = "batch"  # of the mesh over which one replica lies


@dataclasses.dataclass(frozen=True)
class Layout:
    """One replica over the devices of an axis of the mesh.

    Each has the same number of sequences of a batch, and XLA adds their gradients up:
    the numbers are those of one device but for rounding.

    Attributes:
      num_devices: of the axis.
      num_steps: T where stacks of T weights, their moments and copies too, have their
        first axis laid over the devices, each of which then holds T / num_devices of
        them between the steps; None where each has all.
    """

    num_devices: int = 1
    num_steps: int | None = None

    def rows(self, batch: Any) -> Any:
        """Returns a batch of leaves [B, ...], laid over the devices if they divide B.

        What is validated need not fit; then each device has all of it.
        """
        return self._lay(batch, lambda leaf: leaf.shape[0] % self.num_devices == 0)

    def stacks(self, state: Any) -> Any:
        """Returns a state, its stacks [T, ...] laid over the devices."""
        return self._lay(state, lambda leaf: leaf.shape[0] == self.num_steps)

    def gathered(self, params: Any) -> Any:
        """Returns parameters, all of them on each device, for a loop to read.

        A loop over an axis that lies over devices would fetch each step by itself.
        """
        return self._lay(params, lambda leaf: False)

    def _lay(self, tree: Any, over_devices: Callable[[Any], bool]) -> Any:
        if self.num_devices == 1:
            return tree

        def lay(leaf: Any) -> Any:
            apart = leaf.ndim > 0 and over_devices(leaf)
            spec = PartitionSpec(AXIS) if apart else PartitionSpec()
            return jax.lax.with_sharding_constraint(leaf, spec)

        return jax.tree.map(lay, tree)


ONE_DEVICE = Layout()


def lay_out(
    mesh: Mesh,
    task: Any,
    batch_size: int,
    *,
    per_device: int,
    devices_per_replica: int,
    spread_steps: bool,
) -> tuple[Mesh, Layout]:
    """Returns the mesh of replicas and of the devices of each, and their layout.

    Args:
      mesh: of one axis, which is all there is where a replica has one device.
      task: what is trained on.
      batch_size: B.
      per_device: see `rnnshare.training.fit`.
      devices_per_replica: see there.
      spread_steps: see there.

    Raises:
      TypeError: if a number of devices or replicas is no integer.
      ValueError: if they do not go together, or do not divide the devices, B, or T.
    """
    counts = {"per_device": per_device, "devices_per_replica": devices_per_replica}
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError(f"fit: {name} is {value!r}. Use an integer, at least 1.")
        if value < 1:
            raise ValueError(f"fit: {name} is {value}. Use at least 1.")
    count = int(devices_per_replica)
    if count == 1 and not spread_steps:
        return mesh, ONE_DEVICE
    if count == 1:
        raise ValueError(
            "fit: spread_steps lays weights over the devices of a replica, and it has "
            "one. Use devices_per_replica=2, or more."
        )
    if spread_steps and jax.process_count() > 1:
        raise ValueError(
            "fit: spread_steps lays weights over the devices of one process, and there "
            f"are {jax.process_count()}. Leave it out."
        )
    if per_device > 1:
        raise ValueError(
            f"fit: per_device={per_device} replicas on each device cannot lie over "
            f"devices_per_replica={count} of them. Leave one out."
        )
    sizes = {f"the {mesh.size} devices there are": mesh.size}
    sizes |= {f"the batch_size of {batch_size}": batch_size}
    if spread_steps:
        sizes |= {f"the {task.num_steps} steps that are spread": task.num_steps}
    for what, size in sizes.items():
        if size % count:
            raise ValueError(
                f"fit: devices_per_replica={count} does not divide {what}. Use a "
                f"divisor of {size}."
            )
    devices = mesh.devices.reshape(-1, count)
    num_steps = task.num_steps if spread_steps else None
    return Mesh(devices, (*mesh.axis_names, AXIS)), Layout(count, num_steps)
