"""The one door to the machine room: `interpret(graph)` runs it at once, `compile(graph)` makes a native Program."""
