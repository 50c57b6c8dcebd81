"""The true derivative, by the complex step or by differences, and how far it can be trusted.
Nothing here knows a layer or a network."""
