"""Whether bfloat16 pays on a processor."""

import torch


def computes_in_bfloat16(device: torch.device) -> bool:
    """Tells whether a network is faster in bfloat16 than in float32 there.

    Of a CPU's ways to compute in it only the matrix unit (AMX) pays: with AVX-512 alone, a window took half as long
    again as in float32 (benchmarks/RESULTS.md).
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and bool(getattr(torch.cpu, "_is_amx_tile_supported", bool)())
