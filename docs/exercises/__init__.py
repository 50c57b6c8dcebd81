"""The exercises as files, with their hints and solutions; nothing here is imported.
They ship as the folder minilstm/lessons/files, and `minilstm learn` copies them."""
