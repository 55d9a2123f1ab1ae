"""Plug-ins with one fault each, to see that the testing kit finds it, and right ones beside them."""
