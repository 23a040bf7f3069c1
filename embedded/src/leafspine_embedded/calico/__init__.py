"""Calico's agents for the embedded engine: IPAM, BGP (BIRD), service advertisement, natOutgoing, and the small manifest that starts them."""
