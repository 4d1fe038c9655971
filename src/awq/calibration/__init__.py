"""Calibration data: text and images of the user's, bundled, or written by the model, as tokens."""
