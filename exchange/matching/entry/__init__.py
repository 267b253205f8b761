"""Order entry: from a request's fields to an order that the rules and the account allow."""
