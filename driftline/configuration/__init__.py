"""Parts of ``driftline.settings``: sections, secrets, the TOML file, translation into plans."""
