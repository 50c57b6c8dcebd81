"""What a check tells: a report with places in words, as text, table, JSON and JUnit XML.
Nothing here compares a number."""
