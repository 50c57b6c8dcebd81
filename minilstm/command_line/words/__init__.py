"""What may be typed: the parser, put together from a file for each large command.
What a command does stands in the function that its parser names as `run`."""
