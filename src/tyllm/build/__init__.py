"""Programs over weights to a compiled module or package: packing, compiling, the folder and its JSON files."""
