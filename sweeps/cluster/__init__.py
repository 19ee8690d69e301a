"""Ray: sessions, nodes and jobs."""
