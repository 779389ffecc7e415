"""The paths, one module for each subject."""
