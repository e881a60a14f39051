"""Names for unmodified scripts: tables from other frameworks' names to ours, and the finder that reads them."""
