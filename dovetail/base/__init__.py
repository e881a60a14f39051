"""The ground floor: dtypes, devices, errors, settings and nested values. Imports nothing above it."""
