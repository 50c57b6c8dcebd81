"""One pass over a batch: the walk along the layers, in training and in prediction.
Memory is planned here, and arrays are kept where the backend computes."""
