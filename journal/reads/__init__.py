"""Read the journal on connections of one's own: restarts, lists, stories, reports, audits."""
