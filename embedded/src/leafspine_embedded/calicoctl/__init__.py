"""The `calicoctl` drop-in: Calico's resources on the Kubernetes datastore, with the real tool's texts and exit codes."""
