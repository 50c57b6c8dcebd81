"""Why a gradient is wrong: known mistakes, signatures of numbers, recognised LSTMs.
A cause is a sentence for the report."""
