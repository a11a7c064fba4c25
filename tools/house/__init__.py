"""The rules of `tools/check_house.py`, one module each, over the files that `files` has read."""
