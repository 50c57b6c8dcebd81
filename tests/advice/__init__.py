"""Every advice in an error message is followed here, and has to work: tables by room.
`test_advice.py` runs them, and fails for a place in the source that raises and that none has met.

An entry is the call that is refused, a regular expression for what the message says, and the call
repaired as the message says. `$1` in the repaired call is code that the message itself gives: the
first group of the expression; `$each` runs it with every quoted word or number of that group. A
repaired call that ends in a comparison has to be true.
"""
