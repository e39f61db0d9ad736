"""The label store: people's judgments, none lost and none twice, on SQLite or PostgreSQL."""
