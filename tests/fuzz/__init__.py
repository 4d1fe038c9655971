"""Fuzz targets: each parser of what a stranger may have made, and the corpus that it was fed."""
