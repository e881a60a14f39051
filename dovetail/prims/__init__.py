"""The primitives: a closed set, one file per family, each primitive with all its rules beside it."""
