"""Pages for people, rendered on the server; each works as a plain form."""
