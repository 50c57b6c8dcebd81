"""The GPU kernels: CUDA files that CuPy compiles, and the functions that launch them.
Arrays come in, stay and go out on the device; `transfer` alone moves them."""

from minilstm.kernels.cuda.transfer import count_transfers, to_device, to_host

__all__ = ["count_transfers", "to_device", "to_host"]
