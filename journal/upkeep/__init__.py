"""Keep the journal small by setting: what is old goes, and the chain says so first."""
