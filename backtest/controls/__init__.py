"""Keep the user from fooling himself: eleven controls, each with the cheat that it stops.

A control passes when the evidence survives it. So a run that beats nothing fails C7 to C9, and that
is no fault of the run: it is what came out.
"""
