"""The CPU's matrix unit: a process has to ask Linux for it before its first instruction, or dies of that.

vLLM 0.29 takes AMX for attention where the CPU has it and asks nobody; what asks by chance is PyTorch's
compiler, which a model may have switched off (``TORCHDYNAMO_DISABLE``). Its worker dies of SIGILL then, at
the first token.
"""

import torch


def request() -> None:
    """Ask for AMX where there is one. vLLM calls it in each of its processes, as one of its plugins."""
    if torch.cpu._is_amx_tile_supported():  # noqa: SLF001 - what vLLM itself asks
        torch.cpu._init_amx()  # noqa: SLF001
