"""The version of minilstm: one line that the package, its files and its commands read.
It stands by itself, so that no room needs the package's public face for it."""

__version__ = "0.1.0"
