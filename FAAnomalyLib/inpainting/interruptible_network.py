"""Networks that can be stopped between two of their layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook


@contextmanager
def interruptible_network(network: nn.Module, check: Callable[[], None]) -> Iterator[None]:
    """Context manager in which *check* is called before every layer of *network*; what it raises ends the evaluation.

    A whole evaluation takes seconds on a slow CPU. Results are the same with and without.

    Examples
    --------
    >>> import torch
    >>> layers = nn.Sequential(nn.ReLU(), nn.ReLU())
    >>> with interruptible_network(layers, lambda: print("look")):
    ...     _ = layers(torch.zeros(1))
    look
    look
    """
    leaves = [module for module in network.modules() if not any(module.children())]
    hooks = [leaf.register_forward_pre_hook(lambda *_: check()) for leaf in leaves]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def interruptible_networks(check: Callable[[], None]) -> Iterator[None]:
    """The same for every network of the process, for comparators that bring networks of their own.

    Examples
    --------
    >>> import torch
    >>> with interruptible_networks(lambda: print("look")):
    ...     _ = nn.ReLU()(torch.zeros(1))
    look
    """
    hook = register_module_forward_pre_hook(lambda *_: check())
    try:
        yield
    finally:
        hook.remove()
