"""Training over several processes, its ranks: the same bits for any number of them.
Who takes part is in `world`, what each does in `shards`, what all must share in `sameness`."""
