"""Training over several processes, its ranks: the same bits for any number of them.
`world` is who takes part, `shards` what each does, `sameness` what all must share."""
