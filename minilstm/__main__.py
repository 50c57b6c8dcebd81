"""Lets ``python -m minilstm`` do what the command ``minilstm`` does.
The commands are in `minilstm.command_line.cli`."""

import sys

from minilstm.command_line.cli import main

sys.exit(main())
