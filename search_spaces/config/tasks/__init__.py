"""The kinds of task as configuration: what every task has, a file per kind, and one type of field for all."""
