"""Pictures: data sets, and later transforms and reference models."""
