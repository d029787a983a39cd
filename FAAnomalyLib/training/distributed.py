"""Several processes that train one network together, as ``torchrun`` starts them."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import nn

from ..runtime.device import choose_device, fastest_dtype


@dataclass(frozen=True)
class Distributed:
    """This process among those that train together.

    Attributes
    ----------
    rank
        Its number, from 0. Only the process 0 writes checkpoints, the log and the model.
    world
        Number of processes.
    """

    rank: int = 0
    world: int = 1

    @property
    def writes(self) -> bool:
        """Whether this is the process that writes files and reports progress."""
        return self.rank == 0

    def share(self, items: list) -> list:
        """This process's part of work that is divided among all of them.

        Examples
        --------
        >>> Distributed(rank=1, world=3).share(list("abcde"))
        ['b', 'e']
        """
        return items[self.rank :: self.world]

    def wait_for_all(self) -> None:
        """Return once every process has come here."""
        if self.world > 1:
            torch.distributed.barrier()

    def agree(self, value):
        """The process 0's *value*, in every process."""
        values = [value]
        if self.world > 1:
            torch.distributed.broadcast_object_list(values, src=0)
        return values[0]

    def parallel(self, network: nn.Module, device: torch.device) -> nn.Module:
        """*network* itself, or wrapped so that its gradients are averaged over the processes."""
        if self.world == 1:
            return network
        ids = [device.index] if device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(network, device_ids=ids)

    def leave(self) -> None:
        """Leave the group of processes."""
        if self.world > 1:
            torch.distributed.destroy_process_group()


def training_device(name: str) -> torch.device:
    """The device called *name*, set up for training that repeats to the bit.

    Under ``torchrun`` each process of a machine takes a GPU of its own.
    """
    device = choose_device(name)
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
        # The fastest convolutions sum in an order that changes from run to run.
        torch.backends.cudnn.deterministic = True
    if device.type == "cpu":
        torch.set_flush_denormal(True)
    return device


def join_processes(device: torch.device) -> Distributed:
    """Join the processes that ``torchrun`` started; a single process without it."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return Distributed()
    torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Distributed(torch.distributed.get_rank(), world)


def common_dtype(device: torch.device, distributed: Distributed) -> torch.dtype:
    """The number format that process 0 finds fastest: on a CPU it is measured, and may differ between processes."""
    return distributed.agree(fastest_dtype(device))
