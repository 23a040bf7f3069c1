"""Exit codes of the server process, for its supervisor (which must not import the server)."""

BAD_SETTINGS = 78  # EX_CONFIG of sysexits.h: starting again cannot help
