"""Backward passes as people write them, each right, and mistakes as people make them in each.
Whoever adds one here does not look at what the checker knows: words come from the mistake alone."""
