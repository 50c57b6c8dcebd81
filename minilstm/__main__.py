"""Lets ``python -m minilstm`` do what the command ``minilstm`` does.
The commands are in `minilstm.cli`."""

import sys

from minilstm.cli import main

sys.exit(main())
