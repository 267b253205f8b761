"""Play history through the engine: the second place, beside `api.assembly`, where parts meet."""
