"""The shape of recordings: windows, one rate, parts without gaps, trimmed ends.
Whatever is done in training is kept with the model, and done again to new data."""
