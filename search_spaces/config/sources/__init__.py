"""Where examples come from, as configuration: one type each, and one type of field for all."""
