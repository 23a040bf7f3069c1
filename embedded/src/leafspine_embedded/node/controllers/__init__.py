"""The controllers of a cluster's control plane that the lab needs: scheduler, DaemonSet, Deployment, endpoints, pod garbage."""
