"""The side of an export that reads the evidence: it runs in an engine, never in the app."""
