"""What the CPU kernels are built with: register tiles, vectors, panels, threads, the compiler.
Only the panels know a layer, the LSTM whose weights they hold; no file knows a loss or a solver."""
