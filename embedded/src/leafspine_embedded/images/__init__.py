"""What a container image name means here: a local program instead of layers."""
