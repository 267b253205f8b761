"""Watch one position: how long it stands bare, its price, and when it must be left."""
