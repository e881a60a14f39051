"""The language of the machine room: primitives, values, nodes and graphs."""
