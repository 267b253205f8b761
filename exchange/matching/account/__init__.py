"""The account behind the orders: cash, positions, margin and activities."""
