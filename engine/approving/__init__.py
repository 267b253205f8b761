"""Let orders wait for a person: close each once, expire it, and send what was approved."""
