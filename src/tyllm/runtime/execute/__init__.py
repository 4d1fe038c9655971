"""Loads compiled programs and runs them: one step of a decoder, or one call of a module."""
