"""Layers and the arrows between them: named, checked, put in order, drawn.
Nothing here computes; the passes over a batch are in `network/passes`."""
