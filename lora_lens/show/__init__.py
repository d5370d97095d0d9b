"""How any result is shown: tables, terminal, figures' style, files. Nothing here knows a question."""
