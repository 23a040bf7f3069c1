"""Tables of the Kubernetes API, made by kube/make_fields.py and kube/make_wiretypes.py. A package so that installing carries them along."""
