"""The work folder of a run that may be killed, and how far the run is."""
