"""Tests that can fail: small changes of the code, drawn by a seed, each of which a test must catch.
The file `changes` draws them, `coverage` knows which tests enter which function, and `campaign`
runs them.
"""
