"""Publish the market over websockets, in Alpaca's protocol and both of its codecs."""
