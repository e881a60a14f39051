"""Names for unmodified scripts: tables from another framework's names to ours, and the import finder that reads them."""
