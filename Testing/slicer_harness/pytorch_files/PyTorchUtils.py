"""``PyTorchUtils`` of the PyTorch extension: says what would be installed; nothing ever is.

``calls`` lists the keywords of every installation; a test may put a function into ``installing``.
"""

from __future__ import annotations

import importlib.util

calls: list[dict] = []
installing = None


class PyTorchUtilsLogic:
    """Installs the torch that fits the graphics card."""

    @staticmethod
    def torchInstalled() -> bool:
        return importlib.util.find_spec("torch") is not None

    @staticmethod
    def getCompatibleComputationBackends() -> list[str]:
        return ["cpu"]

    @property
    def torch(self):
        raise RuntimeError("importing torch into Slicer's own process is not allowed in this project")

    def installTorch(
        self,
        askConfirmation=False,
        forceComputationBackend=None,
        torchVersionRequirement=None,
        torchvisionVersionRequirement=None,
    ):
        calls.append(
            {
                "askConfirmation": askConfirmation,
                "forceComputationBackend": forceComputationBackend,
                "torchVersionRequirement": torchVersionRequirement,
            }
        )
        if installing is not None:
            installing()
        return None

    def uninstallTorch(self, askConfirmation=False):
        calls.append({"uninstall": True})
