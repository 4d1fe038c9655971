"""Hugging Face checkpoint folders: opened, checked, read and written a few rows at a time, in each weight format."""
