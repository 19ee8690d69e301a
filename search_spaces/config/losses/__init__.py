"""The base losses as configuration: one file per kind of task, and one type of field for all."""
