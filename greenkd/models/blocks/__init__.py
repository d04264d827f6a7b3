"""Blocks of networks that change what torchvision has."""
