"""Tables: named columns from text, spreadsheets and data frames, before anyone knows what they are.
The readers give a `Table`; what its columns mean is settled in `minilstm.data.recordings`."""
