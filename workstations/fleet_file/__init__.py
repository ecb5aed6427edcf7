"""The fleet as a TOML file: what is declared of each workstation, without any secret."""
