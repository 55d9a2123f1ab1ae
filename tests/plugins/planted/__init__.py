"""Augmentations that are wrong on purpose, each in one way, and right ones: what the kit itself is tested on."""
