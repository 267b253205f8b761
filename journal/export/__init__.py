"""Write the journal to files that other programs read, and verify such files again.

A folder holds `entries.jsonl` or `entries.parquet`, on request `contents.jsonl` (windows and
prompts), and `manifest.json`, which says what is in them. Bodies and both hashes are exported as
they are kept, so the chain can be walked without the database.
"""
