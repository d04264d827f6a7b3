"""What comes from outside, made by code: networks and files as other programs write them, and as people have them."""
