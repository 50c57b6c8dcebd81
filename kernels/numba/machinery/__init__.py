"""What the CPU kernels are built with: register tiles, vectors, panels, threads, the compiler.
Nothing here knows a layer, a loss or a solver; each file is of use to several twins."""
