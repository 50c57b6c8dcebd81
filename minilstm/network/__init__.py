"""The network that users hold: it predicts, streams, evaluates, forecasts, saves and loads.
Public names are those of `minilstm`; this file hands none of them on."""
