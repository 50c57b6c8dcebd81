"""How far rounding may lead: computed bounds for float32 against float64.
The bounds follow the equations line by line."""
