"""A record of what the package computed, and the functions that compute it again.
The module `make_record.py` writes the record, and `tests/test_same_results.py` compares with it.
"""
