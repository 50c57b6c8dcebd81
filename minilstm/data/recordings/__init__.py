"""From tables to recordings: which column is what, time, gaps, labels, several files.
What was taken for what is told, in `ReadFacts`; nothing is guessed in silence."""
