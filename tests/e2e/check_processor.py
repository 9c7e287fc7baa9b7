"""Run with the engine's python: prints as JSON whether the CPU has AMX, and whether vLLM's processes may use it."""

import ctypes
import json
import sys

import torch
from vllm.plugins import load_general_plugins

_ARCH_PRCTL, _GET_PERMISSION, _TILE_DATA = 158, 0x1022, 18
"""Numbers of Linux on x86-64 (arch/x86/include/uapi/asm/prctl.h); the last is a bit of the answer."""


def may_use_tiles() -> bool:
    """Return whether Linux gave this process the matrix unit."""
    given = ctypes.c_ulong()
    ctypes.CDLL(None).syscall(_ARCH_PRCTL, _GET_PERMISSION, ctypes.byref(given))
    return bool(given.value >> _TILE_DATA & 1)


if __name__ == "__main__":
    load_general_plugins()
    json.dump({"has": torch.cpu._is_amx_tile_supported(), "may": may_use_tiles()}, sys.stdout)
