"""Places that raise and that no entry can meet, each with the reason.
A key is a file and a part of the statement; a place that an entry meets must not stand here.
"""

EXEMPT = {}
