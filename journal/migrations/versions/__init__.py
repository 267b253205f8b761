"""One module a revision of the schema, named by its number."""
