"""Send, follow, protect and reconcile orders: the only way to a broker."""
