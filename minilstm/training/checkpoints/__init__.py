"""Checkpoints: everything that a training is, in one file, and the way back.
`plain` and `contents` say what is in it, `sameness` who may go on from it, `folder` where it is."""
