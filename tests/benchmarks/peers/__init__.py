"""The supervisors that are measured side by side."""
