"""Tables and figures as Markdown, LaTeX, text and pictures."""
