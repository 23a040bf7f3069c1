"""The part of the Kubernetes API that the lab's tools use, served by one asyncio process per cluster."""
