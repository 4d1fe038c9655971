"""Chat messages as Hugging Face's chat templates take them, and the images in them: NumPy, and Pillow at first use."""
