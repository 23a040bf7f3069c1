"""A package, because some of its files are called as those of module_utils beside it."""
