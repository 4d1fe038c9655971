"""From what a caller gives (text, messages, images, videos) to a prompt."""
