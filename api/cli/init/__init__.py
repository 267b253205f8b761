"""Write a first `.env` by asking five questions."""
