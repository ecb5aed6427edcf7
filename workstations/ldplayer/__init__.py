"""LDPlayer's console program: its commands, what it prints, and what it takes."""
