"""The sweep over all model types of transformers: tiny random models, compiled and compared."""
