"""How good a network is: splits by recording or person, scores, curves and a report.
It knows networks that are trained; it trains none."""
